//! Rules about the workspace itself: who may depend on whom, and what source files look like.

mod circles;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_path_buf()
}

/// A dependency of a package of the workspace.
struct Dependency {
    name: String,
    dev: bool,
    default_features: bool,
    features: Vec<String>,
}

/// A package of the workspace.
struct Package {
    dependencies: Vec<Dependency>,
    /// Root files of its library and programs.
    roots: Vec<PathBuf>,
}

/// All packages by name.
fn packages() -> BTreeMap<String, Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |v: &Value| v.as_str().expect("a string").to_string();
    let dependency = |d: &Value| Dependency {
        name: text(&d["name"]),
        dev: d["kind"] == "dev",
        default_features: d["uses_default_features"] == true,
        features: d["features"].as_array().expect("a list").iter().map(text).collect(),
    };
    let list = |v: &Value| v.as_array().expect("a list").clone();
    let package = |p: &Value| {
        let dependencies = list(&p["dependencies"]).iter().map(dependency).collect();
        let is_product = |t: &&Value| list(&t["kind"]).iter().any(|kind| kind == "lib" || kind == "bin");
        let targets = list(&p["targets"]);
        let roots = targets.iter().filter(is_product).map(|t| PathBuf::from(text(&t["src_path"]))).collect();
        (text(&p["name"]), Package { dependencies, roots })
    };
    metadata["packages"].as_array().expect("a list").iter().map(package).collect()
}

/// Which packages of the workspace a package may build on.
const LAYERS: [(&str, &[&str]); 9] = [
    ("fhec-approx", &[]),
    ("fhec-ir", &[]),
    ("fhec-ckks", &["fhec-approx"]),
    ("fhec-frontend", &["fhec-ir"]),
    ("fhec-passes", &["fhec-ir", "fhec-approx"]),
    ("fhec-backend", &["fhec-ir", "fhec-ckks"]),
    ("fhec-driver", &["fhec-ir", "fhec-approx", "fhec-frontend", "fhec-passes", "fhec-backend", "fhec-ckks"]),
    ("fhec-runtime", &["fhec-ir", "fhec-ckks"]),
    ("fhec-tune", &["fhec-ir", "fhec-frontend"]),
];

/// Dependencies that only one package has.
const ONLY_IN: [(&str, &str); 2] = [("tract", "fhec-frontend"), ("egg", "fhec-passes")];

#[test]
fn layers() {
    let packages = packages();
    let mut wrong = BTreeSet::new();
    for (name, Package { dependencies, .. }) in &packages {
        let allowed = LAYERS.iter().find(|(n, _)| n == name).map(|(_, allowed)| *allowed);
        if allowed.is_none() && name != "fhec" {
            wrong.insert(format!("{name} has no place in the layering"));
        }
        for d in dependencies {
            let ours = d.name == "fhec" || d.name.starts_with("fhec-");
            if ours && !d.dev && allowed.is_some_and(|a| !a.contains(&d.name.as_str())) {
                wrong.insert(format!("{name} depends on {}", d.name));
            }
            for (prefix, only) in ONLY_IN {
                if d.name.starts_with(prefix) && name != only {
                    wrong.insert(format!("{name} depends on {}, which only {only} knows", d.name));
                }
            }
            // Compiling needs parameters and security only, not keys or encryption.
            if ["fhec-backend", "fhec-driver"].contains(&&name[..]) && d.name == "fhec-ckks" && !d.dev {
                let features = if d.default_features { "default features" } else { "features" };
                if d.default_features || !d.features.is_empty() {
                    wrong.insert(format!("{name} depends on fhec-ckks with {features} {:?}", d.features));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// All Rust files of the workspace, relative to its root.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry")) {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                if name != "target" && !name.to_string_lossy().starts_with('.') {
                    walk(&path, files);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    let root = root();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&root).expect("the workspace").map(|e| e.expect("an entry").path()) {
        let is_member = entry.join("Cargo.toml").exists();
        let is_own = ["src", "tests", "examples", "benches"].iter().any(|n| entry.ends_with(n));
        if entry.is_dir() && (is_member || is_own) {
            walk(&entry, &mut files);
        }
    }
    files.sort();
    let read = |p: PathBuf| {
        let name = p.strip_prefix(&root).expect("inside").to_string_lossy().replace('\\', "/");
        (name, std::fs::read_to_string(&p).expect("a text"))
    };
    files.into_iter().map(read).collect()
}

const MAX_LINES: usize = 700;

/// Words that a line of code must not contain, and where they may be. Split so that this file does not contain them.
const FORBIDDEN: [(&str, &str); 4] = [
    (concat!("uns", "afe "), "ckks/src/ring/simd/"),
    (concat!("to", "do!("), "nowhere"),
    (concat!("unimpl", "emented!("), "nowhere"),
    (concat!("db", "g!("), "nowhere"),
];

/// (file, word) pairs that are as they are for a reason.
const ALLOWED: [(&str, &str); 1] = [
    // A counting allocator for the fuzz campaign; no part of the product.
    ("tests/common/fuzz/memory.rs", concat!("uns", "afe ")),
];

#[test]
fn tidy() {
    let mut wrong = Vec::new();
    let files = sources();
    assert!(files.len() > 100, "only {} files found", files.len());
    for (name, text) in &files {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{name} has {lines} lines"));
        }
        if !text.is_empty() && !text.ends_with('\n') {
            wrong.push(format!("{name} does not end in a line break"));
        }
        for (k, line) in text.lines().enumerate() {
            let at = || format!("{name}:{}", k + 1);
            if line.ends_with([' ', '\t', '\r']) {
                wrong.push(format!("{}: trailing whitespace", at()));
            }
            let code = line.split("//").next().unwrap_or_default();
            for (word, home) in FORBIDDEN {
                let allowed = ALLOWED.iter().any(|(f, w)| name == f && word.starts_with(w));
                if code.contains(word) && !name.starts_with(home) && !allowed {
                    wrong.push(format!("{}: `{}` is for {home}", at(), word.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
