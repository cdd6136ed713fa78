//! What the command line says of files and words in the wrong place.

#![cfg(all(feature = "client", feature = "compiler"))]
#![allow(dead_code, reason = "each test binary uses a part of the common code")]

#[path = "common/cli.rs"]
mod cli;

use cli::Folder;

#[test]
fn files_in_the_wrong_place_are_named() {
    let folder = Folder::new();
    let network = std::fs::read("examples/mnist/lenet.onnx").unwrap();
    std::fs::write(folder.path("lenet.onnx"), network).unwrap();
    for (name, bytes) in [
        ("net.pt", &b"PK\x03\x04....archive/data.pkl"[..]),
        ("net.pth", b"\x80\x02\x8a\x0a"),
        ("cat.png", b"\x89PNG\r\n\x1a\n"),
        ("x.npy", b"\x93NUMPY\x01\x00"),
        ("old.plan", b"FHECPLAN\x04\x00\x00\x00"),
        ("pointer.onnx", b"version https://git-lfs.github.com/spec/v1\n"),
        ("empty.onnx", b""),
    ] {
        std::fs::write(folder.path(name), bytes).unwrap();
    }
    folder.fails("net.pt", "a PyTorch file: export the network with torch.onnx.export");
    folder.fails("net.pth", "a PyTorch file");
    folder
        .fails("cat.png", "a picture (PNG): give the network first: `fhec infer model.onnx --input cat.png`");
    folder.fails("x.npy", "a numpy array");
    folder.fails("old.plan", "it is compiled already");
    folder.fails("pointer.onnx", "a text");
    folder.fails("empty.onnx", "an empty file");
    folder.fails(
        "keygen lenet.onnx -o keys",
        "an ONNX network: compile it first: `fhec lenet.onnx -o lenet.plan`",
    );
    folder.fails("run lenet.onnx --keys k --input c -o o", "an ONNX network: compile it first");
    folder.fails("inspect cat.png", "a picture (PNG)");
}

#[test]
fn mistyped_verbs() {
    let folder = Folder::new();
    for (line, why) in [
        ("infre model.plan --input x", "there is no verb `infre`; did you mean `infer`?"),
        ("-q keygne model.plan", "did you mean `keygen`?"),
        ("lenet", "no file of that name"),
    ] {
        let output = folder.fhec(line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "fhec {line}: {stderr}");
        assert!(stderr.contains(why), "fhec {line}: {stderr}");
    }
    // A word behind an option of the compiler may be its value.
    folder.fails("--log-n 14 missing.onnx", "missing.onnx");
}
