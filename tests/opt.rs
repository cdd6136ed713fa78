//! `fhec opt`: dumps are read, and passes make of them what the compiler does.
#![cfg(all(feature = "client", feature = "compiler"))]

use std::path::Path;
use std::process::Command;

const NETWORK: &str = "examples/mnist/lenet.onnx";

/// Standard output of a command that succeeds.
#[track_caller]
fn fhec(args: &[&str]) -> String {
    let (code, out, err) = run(args);
    assert_eq!(code, Some(0), "{args:?}: {err}");
    out
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fhec"));
    let output = command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

#[test]
fn a_dump_goes_on_where_the_compiler_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (dump, side) = (path(&folder, "dump.fir"), path(&folder, "dump.safetensors"));
    let stop = |pass| [NETWORK, "-q", "--stop-after", pass, "--dump-after", pass];
    std::fs::write(&dump, fhec(&[&stop("place")[..], &["--write-constants", &side]].concat())).unwrap();
    assert_eq!(fhec(&["opt", &dump, "--constants", &side]), std::fs::read_to_string(&dump).unwrap());
    let lowered = fhec(&stop("lower"));
    assert_eq!(fhec(&["opt", &dump, "--pass", "lower", "--constants", &side]), lowered);
    assert_eq!(fhec(&["opt", &dump, "--pass", "lower", "--constants", NETWORK]), lowered);

    // What is written whole needs no other file; what is written to a file is not printed.
    let whole = path(&folder, "whole.fir");
    assert_eq!(fhec(&["opt", &dump, "--constants", &side, "--whole", "-o", &whole]), "");
    assert_eq!(fhec(&["opt", &whole, "--pass", "lower"]), lowered);
}

#[test]
fn what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let case = "tests/cases/canonicalize/pad_conv.fir";
    let side = path(&folder, "side.safetensors");
    fhec(&["opt", case, "--write-constants", &side]);
    let mut bytes = std::fs::read(&side).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let damaged = path(&folder, "damaged.safetensors");
    std::fs::write(&damaged, &bytes).unwrap();
    let cut = path(&folder, "cut.safetensors");
    std::fs::write(&cut, &bytes[..20]).unwrap();
    let dump = path(&folder, "dump.fir");
    std::fs::write(&dump, fhec(&["opt", case])).unwrap();
    assert!(Path::new(&dump).is_file());
    for (args, code, message) in [
        (
            &["opt", "README.md"][..],
            1,
            "a program begins with `tensor`, `slot` or `schedule`, not with \"#\"",
        ),
        (&["opt", "nowhere.fir"], 1, "nowhere.fir"),
        (&["opt", "tests/cases/text/operator.fir"], 1, "line 5: there is no operator `convolution` here"),
        (&["opt", case, "--pass", "place"], 1, "pass place cannot run on the tensor IR"),
        (&["opt", case, "--pass", "placing"], 2, "passes are canonicalize"),
        (&["opt", case, "--set", "slots=3"], 2, "\"slots=3\" is no setting"),
        (&["opt", case, "--constants", "README.md"], 1, "constants are in a .safetensors file"),
        (&["opt", &dump], 1, "needed: give the file that has them"),
        (&["opt", &dump, "--constants", &damaged], 1, "its numbers are damaged"),
        (&["opt", &dump, "--constants", &cut], 1, "cut.safetensors"),
    ] {
        let (got, _, error) = run(args);
        assert_eq!(got, Some(code), "{args:?}: {error}");
        assert!(error.contains(message), "{args:?}: {error}");
    }
}
