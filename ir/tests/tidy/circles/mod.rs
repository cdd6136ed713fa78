//! Source files build on each other without circles: whoever reads one can read what it names first. The same holds
//! for the top-level modules of a crate as wholes.
//!
//! Nodes are the files of a crate, and an arrow leads from a file to another where it names something that the
//! other *defines*: a re-export counts for the file behind it, so that taking a name through a facade is no arrow
//! to the facade. A parent's `mod` and its re-exports of what lies below it are no arrows, else no parent could
//! offer what its children make. Code of tests may look anywhere. Methods are found by type, not by name, and a
//! method call is no arrow.

mod crates;
mod mentions;
mod resolve;
mod tests;

use crates::Crate;
use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

/// From a file to another, by the names that lead there.
type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

#[test]
fn no_circles() {
    let root = super::root();
    let mut found = Vec::new();
    let mut files = 0;
    for package in super::packages().into_values() {
        for entry in &package.roots {
            let entry = entry.strip_prefix(&root).expect("a member lies in the workspace");
            let krate = Crate::read(entry, &|path| std::fs::read_to_string(root.join(path)).ok());
            files += krate.files();
            let arrows = krate.arrows();
            found.extend(circles(&arrows));
            found.extend(circles(&between_modules(&arrows, entry.parent().expect("a folder of sources"))));
        }
    }
    assert!(files > 100, "only {files} files read");
    assert!(
        found.is_empty(),
        "files or modules that build on each other in a circle:\n\n{}",
        found.join("\n")
    );
}

/// The same arrows between the top-level modules whose files lie in `folder`.
fn between_modules(arrows: &Arrows, folder: &Path) -> Arrows {
    let module = |file: &String| {
        let inside = Path::new(file).strip_prefix(folder).expect("a source of the crate").with_extension("");
        let first = inside.components().next().expect("a file has a name");
        folder.join(first).to_string_lossy().replace('\\', "/")
    };
    let mut between = Arrows::new();
    for ((from, to), names) in arrows {
        let (from, to) = (module(from), module(to));
        if from != to {
            between.entry((from, to)).or_default().extend(names.iter().cloned());
        }
    }
    between
}

/// A description of every strongly connected set of files: the arrows inside it with their names.
fn circles(arrows: &Arrows) -> Vec<String> {
    let mut graph = DiGraph::<&str, ()>::new();
    let mut nodes = BTreeMap::new();
    for (from, to) in arrows.keys() {
        let [from, to] =
            [from, to].map(|file| *nodes.entry(file.as_str()).or_insert_with(|| graph.add_node(file)));
        graph.add_edge(from, to, ());
    }
    let mut circles = Vec::new();
    for component in tarjan_scc(&graph).into_iter().filter(|component| component.len() > 1) {
        let files: BTreeSet<&str> = component.into_iter().map(|node| graph[node]).collect();
        let mut text = format!("{} together:\n", files.len());
        for ((from, to), names) in arrows {
            if files.contains(from.as_str()) && files.contains(to.as_str()) {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let _ = writeln!(text, "  {from} -> {to}: {}", names.join(", "));
            }
        }
        circles.push(text);
    }
    circles
}
