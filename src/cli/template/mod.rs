//! Go's templates, as `--format` takes them: fields, pipelines, variables, `if`, `range`, `with`, and the functions that
//! Docker adds.

mod eval;
mod functions;
mod lexer;
mod parse;
mod print;

use serde_json::Value;

use parse::{Node, Operand, Pipeline};

/// A parsed template.
#[derive(Debug, PartialEq)]
pub struct Template(Vec<Node>);

impl Template {
    /// Reads a template; outside of braces, `\t` and `\n` stand for tab and line end.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn parse(text: &str) -> Result<Template, String> {
        parse::parse(text).map(Template).map_err(|why| format!("invalid template '{text}': {why}"))
    }

    /// Fills the template from an object.
    ///
    /// # Errors
    /// When it has no such field, or a function cannot take what it is given.
    pub fn render(&self, value: &Value) -> Result<String, String> {
        eval::render(&self.0, value)
    }

    /// The template with the names of its fields in their place.
    pub fn headings(&self, name: impl Fn(&str) -> String) -> String {
        let mut out = String::new();
        headings(&self.0, &name, &mut out);
        out
    }
}

fn headings(nodes: &[Node], name: &impl Fn(&str) -> String, out: &mut String) {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Action(pipeline) => out.push_str(&heading(pipeline).map(name).unwrap_or_default()),
            Node::If(_, body, _) | Node::With(_, body, _) => headings(body, name, out),
            Node::Range { over, .. } => out.push_str(&heading(over).map(name).unwrap_or_default()),
        }
    }
}

/// The field that a pipeline is about; a label by its own name, as in Docker.
fn heading(pipeline: &Pipeline) -> Option<&str> {
    let label = |words: &[Operand]| matches!(words.first(), Some(Operand::Field(path)) if path == &["Label"]);
    pipeline.commands.iter().find_map(|words| match words.as_slice() {
        [_, Operand::Literal(Value::String(key))] if label(words) => Some(key.as_str()),
        _ => words.iter().find_map(|word| match word {
            Operand::Field(path) | Operand::Variable(_, path) => path.last().map(String::as_str),
            Operand::Group(inner, path) => path.last().map(String::as_str).or_else(|| heading(inner)),
            _ => None,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn container() -> Value {
        json!({
            "Id": "0123456789abcdef", "Name": "a", "Labels": "x=1,y=2",
            "State": {"Pid": 7, "Args": ["x", "y z"], "Running": true, "Health": null},
            "Config": {"Env": ["A=1", "B=2"], "Labels": {"org.a": "b"}},
            "Networks": {"n1": {"IPAddress": "10.0.0.1"}, "n2": {"IPAddress": "10.0.0.2"}},
            "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "81/tcp": null},
        })
    }

    fn render(text: &str) -> Result<String, String> {
        Template::parse(text)?.render(&container())
    }

    /// Each as Go's text/template with Docker's functions renders it.
    #[test]
    fn templates_render_as_go_s_do() {
        for (template, expected) in [
            ("{{.Name}}\\t{{ .State.Pid }}!", "a\t7!"),
            ("{{json .State.Args}}", r#"["x","y z"]"#),
            ("{{.State.Args}} {{.Config.Labels}} {{.ID}}", "[x y z] map[org.a:b] 0123456789abcdef"),
            ("{{range .Networks}}{{.IPAddress}} {{end}}", "10.0.0.1 10.0.0.2 "),
            ("{{range $k, $v := .Networks}}{{$k}}={{$v.IPAddress}};{{end}}", "n1=10.0.0.1;n2=10.0.0.2;"),
            ("{{range $i, $e := .Config.Env}}{{if $i}},{{end}}{{$e}}{{end}}", "A=1,B=2"),
            ("{{range .Config.Env}}{{println .}}{{end}}", "A=1\nB=2\n"),
            ("{{(index (index .Ports \"80/tcp\") 0).HostPort}}", "8080"),
            (
                "{{range $p, $c := .Ports}}{{$p}}{{if $c}}>{{(index $c 0).HostPort}}{{end}} {{end}}",
                "80/tcp>8080 81/tcp ",
            ),
            ("{{index .Config.Labels \"org.a\"}}{{index .Config.Labels \"no\"}}", "b"),
            ("{{.Config.Labels.no}}", "<no value>"),
            ("{{with index .Networks \"n2\"}}{{.IPAddress}}{{$.Name}}{{else}}none{{end}}", "10.0.0.2a"),
            ("{{with .State.Health}}{{.Status}}{{else}}none{{end}}", "none"),
            (
                "{{if eq .Name \"b\" \"c\"}}1{{else if and .State.Running (gt .State.Pid 5)}}2{{else}}3{{end}}",
                "2",
            ),
            ("{{or .State.Health .Name}} {{not .State.Running}} {{len .Config.Env}}", "a false 2"),
            ("{{slice .Id 0 4}} {{truncate .Id 3}} {{.Name | upper | printf \"%-3s|\"}}", "0123 012 A  |"),
            (
                "{{printf \"%s-%05d %q %.2f %v\" .Name .State.Pid .Name 1.5 .State.Args}}",
                "a-00007 \"a\" 1.50 [x y z]",
            ),
            ("{{join .Config.Env \"\\n\"}} {{index (split \"a:b\" \":\") 1}}", "A=1\nB=2 b"),
            ("{{$x := .Name}}{{if true}}{{$x = \"z\"}}{{end}}{{$x}}{{/* no */}}", "z"),
            ("a  {{- .Name -}}  b {{\"}}\"}} {{`x\\n`}}", "aab }} x\\n"),
            ("{{range .Nets}}{{else}}none{{end}}", "none"),
            ("{{.Label \"y\"}}{{.Label \"n\"}} {{title .Name}} {{pad .Name 1 2}}|", "2 A  a  |"),
            ("{{ne 1 2}} {{le .Name \"b\"}} {{print 1 2 \"x\"}}", "true true 1 2x"),
        ] {
            let value = match template.contains(".Nets") {
                true => json!({"Nets": []}),
                false => container(),
            };
            let rendered = Template::parse(template).and_then(|parsed| parsed.render(&value));
            assert_eq!(rendered.as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (template, part) in [
            ("{{.Nope}}", "there is no field 'Nope'"),
            ("{{.State.Health.Status}}", "there is no field 'Status'"),
            ("{{.Name", "without }}"),
            ("{{range .Networks}}", "without {{end}}"),
            ("{{end}}", "{{end}}"),
            ("{{else}}", "{{else}}"),
            ("{{nofunction .Name}}", "no function 'nofunction'"),
            ("{{index .Config.Env 2}}", "out of range"),
            ("{{$x}}", "variable '$x'"),
            ("{{}}", "empty"),
            ("{{(.Name}}", ")"),
            ("{{.Name | }}", "empty"),
            ("{{eq .Name 1}}", "compared"),
            ("{{range .Name}}{{end}}", "range"),
            ("{{\"a}}", "without"),
            ("{{printf \"%d\" .Name}}", "%d"),
            ("{{.Name 1}}", "takes no"),
        ] {
            let error = render(template).unwrap_err();
            assert!(error.contains(part), "{template}: {error}");
        }
        let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(render(&format!("{{{{{deep}}}}}")).unwrap_err().contains("deep"));
        assert!(render(&"{{if 1}}".repeat(100_000)).unwrap_err().contains("deep"));
    }

    #[test]
    fn headings_are_the_fields_names() {
        let headings = |text: &str| Template::parse(text).map(|t| t.headings(str::to_uppercase));
        let template = "{{.Name}}\\t{{upper .State.Pid}} {{.Label \"y\"}}{{if .Name}}-{{json .Id}}{{end}}";
        assert_eq!(headings(template), Ok("NAME\tPID Y-ID".to_string()));
    }
}
