//! The commands on the pages in `docs/` and what they print: blocks marked `console`, whose lines `$ fhec …` are run at the
//! root of the project. A line `...` stands for any number of lines.
#![cfg(all(feature = "client", feature = "compiler"))]

use std::path::Path;
use std::process::Command;

/// Commands of a page with the output that it shows.
fn examples(page: &str) -> Vec<(String, Vec<String>)> {
    let mut examples: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line.strip_prefix("$ ") {
            _ if line.starts_with("```") => inside = line == "```console",
            Some(command) if inside => examples.push((command.to_string(), vec![])),
            _ if inside => examples.last_mut().expect("a command first").1.push(line.to_string()),
            _ => {}
        }
    }
    examples
}

/// Whether lines are those of a pattern.
fn matches(pattern: &[String], lines: &[&str]) -> bool {
    match pattern {
        [] => lines.is_empty(),
        [any, rest @ ..] if any == "..." => (0..=lines.len()).any(|skip| matches(rest, &lines[skip..])),
        [first, rest @ ..] => lines.first() == Some(&&first[..]) && matches(rest, &lines[1..]),
    }
}

#[test]
fn commands_print_what_the_pages_show() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for page in std::fs::read_dir(root.join("docs")).expect("a folder docs").flatten() {
        let text = std::fs::read_to_string(page.path()).expect("a page of text");
        for (command, shown) in examples(&text) {
            let words = command.strip_prefix("fhec ").expect("a command of fhec").split_whitespace();
            let output =
                Command::new(env!("CARGO_BIN_EXE_fhec")).args(words).current_dir(root).output().unwrap();
            // Remarks on standard error are left out, errors are what is shown.
            let printed = if output.status.success() { output.stdout } else { output.stderr };
            let printed = String::from_utf8(printed).unwrap();
            let lines: Vec<&str> = printed.lines().collect();
            assert!(
                matches(&shown, &lines),
                "{}: `{command}` prints\n{printed}instead of\n{}",
                page.path().display(),
                shown.join("\n")
            );
            count += 1;
        }
    }
    assert!(count > 4, "only {count} commands found");
}
