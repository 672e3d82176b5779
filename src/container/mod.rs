//! What a container is over time: record, create, start, monitor, logs, exec, remove.
