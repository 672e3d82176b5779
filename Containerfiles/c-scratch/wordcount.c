/* Counts lines, words and bytes, as wc(1). */
#include <ctype.h>
#include <stdio.h>

int main(void)
{
	unsigned long lines = 0, words = 0, bytes = 0;
	int inside = 0, c;

	while ((c = getchar()) != EOF) {
		bytes++;
		lines += c == '\n';
		words += !inside && !isspace(c);
		inside = !isspace(c);
	}
	printf("%lu %lu %lu\n", lines, words, bytes);
	return ferror(stdin) != 0;
}
