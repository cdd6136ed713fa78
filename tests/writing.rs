//! What commands write, and what they do not: devices, links, their own inputs, keys.

#![cfg(all(feature = "client", unix))]

#[path = "common/cli.rs"]
mod cli;
#[path = "../runtime/tests/common/mod.rs"]
mod common;

use std::fs::{Permissions, metadata, read};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cli::Folder;

const KERNEL: [f32; 9] = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, -0.1, 0.2];

/// A plan, its client file and an image.
fn folder() -> Folder {
    let folder = Folder::new();
    let parameters = common::secure_parameters();
    let (plan, _) = common::plan(&parameters, common::convolution(&parameters, KERNEL));
    plan.save(&folder.path("p.plan")).unwrap();
    folder.ok("client-spec p.plan -o p.client");
    std::fs::write(folder.path("image.u8"), [7; 64]).unwrap();
    folder
}

const ENCRYPT: &str = "encrypt p.client --key keys/secret.key --input image.u8";
const RUN: &str = "run p.plan --keys keys/evaluation.keys --input image.ct";

fn with_keys() -> Folder {
    let folder = folder();
    folder.ok("keygen p.client -o keys");
    folder.ok(&format!("{ENCRYPT} -o image.ct"));
    folder
}

/// Starts a command that goes on by itself.
fn start(folder: &Folder, line: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fhec"));
    let command = command.current_dir(folder.path("")).args(line.split_whitespace());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The key set that a key file names.
fn key_set(file: &Path) -> Vec<u8> {
    read(file).unwrap()[48..80].to_vec()
}

/// The set of a folder of keys, whose files must all be of it.
fn whole_set(folder: &Path) -> Vec<u8> {
    let sets: Vec<_> =
        ["secret.key", "public.key", "evaluation.keys"].map(|name| key_set(&folder.join(name))).into();
    assert!(sets.iter().all(|s| *s == sets[0]), "{}: mixed", folder.display());
    sets[0].clone()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn left_behind(folder: &Folder) -> Vec<String> {
    let mut names = names(&folder.path(""));
    names.retain(|n| n.starts_with(".fhec-"));
    names
}

#[test]
fn outputs_go_where_they_should() {
    let folder = with_keys();
    // A device like /dev/null, if this process may make one.
    let null = folder.path("null");
    let made = Command::new("mknod").args([null.to_str().unwrap(), "c", "1", "3"]).output().unwrap();
    if made.status.success() {
        for line in [
            "client-spec p.plan -o null".to_string(),
            format!("{ENCRYPT} -o null"),
            format!("{RUN} -o null --trace null2"),
            "inspect p.plan --html null".into(),
        ] {
            folder.ok(&line);
            assert!(metadata(&null).unwrap().file_type().is_char_device(), "{line}");
        }
    } else {
        eprintln!("no device can be made here: only /dev/null itself is tried");
    }
    folder.ok("client-spec p.plan -o /dev/null");
    assert!(metadata("/dev/null").unwrap().file_type().is_char_device());
    let shown = folder.fhec("client-spec p.plan -o /dev/stdout -q");
    assert_eq!(shown.stdout, read(folder.path("p.client")).unwrap());

    assert!(Command::new("mkfifo").arg(folder.path("fifo")).status().unwrap().success());
    let writer = start(&folder, "client-spec p.plan -o fifo");
    assert_eq!(read(folder.path("fifo")).unwrap(), read(folder.path("p.client")).unwrap());
    assert!(writer.wait_with_output().unwrap().status.success());
    assert!(metadata(folder.path("fifo")).unwrap().file_type().is_fifo());

    std::fs::create_dir(folder.path("far")).unwrap();
    std::fs::write(folder.path("far/spec"), "old").unwrap();
    std::fs::set_permissions(folder.path("far/spec"), Permissions::from_mode(0o640)).unwrap();
    symlink("far/spec", folder.path("link")).unwrap();
    folder.ok("client-spec p.plan -o link");
    assert!(folder.path("link").is_symlink());
    assert_eq!(read(folder.path("far/spec")).unwrap(), read(folder.path("p.client")).unwrap());
    assert_eq!(metadata(folder.path("far/spec")).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn own_inputs_and_secret_keys_are_not_overwritten() {
    let folder = with_keys();
    std::fs::hard_link(folder.path("p.plan"), folder.path("hard.plan")).unwrap();
    symlink("image.u8", folder.path("soft.u8")).unwrap();
    std::fs::copy(folder.path("keys/secret.key"), folder.path("copy.key")).unwrap();
    folder.ok(&format!("{RUN} -o result.ct"));
    std::fs::create_dir(folder.path("out")).unwrap();
    std::fs::copy(folder.path("result.ct"), folder.path("out/out0.npy")).unwrap();
    let files = ["p.plan", "p.client", "image.u8", "image.ct", "keys/secret.key", "copy.key", "out/out0.npy"];
    let before = files.map(|f| read(folder.path(f)).unwrap());
    for (line, why) in [
        (format!("{ENCRYPT} -q -o keys/secret.key"), "keys/secret.key"),
        (format!("{ENCRYPT} -q -o soft.u8"), "this is the input image.u8"),
        (format!("{ENCRYPT} -q -o p.client"), "this is the input"),
        (format!("{ENCRYPT} -q -o copy.key"), "secret key, which is never overwritten"),
        (format!("{RUN} -o p.plan"), "this is the input p.plan"),
        (format!("{RUN} -o hard.plan"), "this is the input p.plan"),
        (format!("{RUN} -o image.ct"), "this is the input"),
        (format!("{RUN} -o copy.key"), "never overwritten"),
        (format!("{RUN} -o x.ct --trace p.plan"), "this is the input"),
        (format!("{RUN} -o x.ct --trace x.ct"), "the same file"),
        (format!("{RUN} -o nowhere/x.ct"), "nowhere/x.ct"),
        ("client-spec p.plan -o hard.plan".into(), "this is the input"),
        ("inspect p.plan --html p.plan".into(), "this is the input"),
        ("inspect p.plan --html copy.key".into(), "never overwritten"),
        ("infer p.plan --input image.u8 --trace image.u8".into(), "this is the input"),
        ("infer p.plan --input image.u8 --trace copy.key".into(), "never overwritten"),
        ("calibrate -o copy.key".into(), "never overwritten"),
        (
            "decrypt p.client --key keys/secret.key --input out/out0.npy -o out".into(),
            "this is the input out/out0.npy",
        ),
        ("decrypt p.client --key keys/secret.key --input result.ct -o p.plan".into(), "p.plan"),
    ] {
        if line.starts_with("calibrate") && cfg!(not(feature = "compiler")) {
            continue;
        }
        folder.fails(&line, why);
    }
    assert!(!folder.path("x.ct").exists(), "checked before it computes");
    assert_eq!(files.map(|f| read(folder.path(f)).unwrap()), before);
    assert!(left_behind(&folder).is_empty());
}

#[test]
fn key_folders_are_whole_wherever_keygen_is_killed() {
    let folder = folder();
    let begin = Instant::now();
    folder.ok("keygen p.client -o keys");
    let whole = begin.elapsed();
    let keys = folder.path("keys");
    let (mut old, mut renewed) = (whole_set(&keys), 0);
    const KILLS: u32 = 40;
    for k in 0..KILLS {
        let mut child = start(&folder, "keygen p.client -o keys --force");
        // Denser where the files are written.
        std::thread::sleep(whole.mul_f64(0.5 + 0.6 * f64::from(k) / f64::from(KILLS)));
        child.kill().unwrap();
        child.wait().unwrap();
        let new = whole_set(&keys);
        renewed += usize::from(new != old);
        old = new;
    }
    eprintln!("{renewed} of {KILLS} were done before they were killed, {:?} each", whole);
    // The next one removes what the dead ones left, also if it writes something else beside.
    folder.ok("client-spec p.plan -o again.client");
    assert_eq!(left_behind(&folder), [""; 0]);
    assert_eq!(whole_set(&keys), old);
    folder.ok(&format!("{ENCRYPT} -o image.ct"));
    folder.ok(&format!("{RUN} -o result.ct"));
    folder.ok("keygen p.client -o keys --force");
    assert_ne!(whole_set(&keys), old);
    assert_eq!(metadata(keys.join("secret.key")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_killed_writer_leaves_nothing_for_long() {
    let folder = with_keys();
    let line = format!("{ENCRYPT} -o big.ct");
    for k in 0..20 {
        let mut child = start(&folder, &line);
        std::thread::sleep(Duration::from_millis(10 * k));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    std::fs::write(folder.path(".fhec-aB3dE6gH.part"), "half a secret key").unwrap();
    folder.ok(&line);
    assert_eq!(left_behind(&folder), [""; 0]);
}

#[test]
fn of_two_keygens_one_wins() {
    let folder = folder();
    for _ in 0..5 {
        let _ = std::fs::remove_dir_all(folder.path("keys"));
        let children = [(); 4].map(|()| start(&folder, "keygen p.client -o keys"));
        let outputs = children.map(|c| c.wait_with_output().unwrap());
        let refused = |o: &std::process::Output| {
            let stderr = String::from_utf8_lossy(&o.stderr).into_owned();
            stderr.contains("another process is writing it") || stderr.contains("--force overwrites it")
        };
        let done = outputs.iter().filter(|o| o.status.success()).count();
        assert_eq!((done, outputs.iter().filter(|o| refused(o)).count()), (1, 3), "{outputs:?}");
        whole_set(&folder.path("keys"));
        assert_eq!(left_behind(&folder), [""; 0]);
    }
}

#[test]
fn key_folders_hold_nothing_else_and_one_set() {
    let folder = folder();
    std::fs::create_dir(folder.path("photos")).unwrap();
    std::fs::write(folder.path("photos/cat.png"), "x").unwrap();
    folder.fails("keygen p.client -o photos", "it holds cat.png");
    folder.fails("keygen p.client -o photos --force", "it holds cat.png");
    assert_eq!(names(&folder.path("photos")), ["cat.png"]);
    folder.fails("keygen p.client -o p.plan", "no folder");

    std::fs::create_dir(folder.path("keys")).unwrap();
    folder.ok("keygen p.client -o keys");
    folder.fails("keygen p.client -o keys", "--force overwrites it");
    folder.ok("keygen p.client -o other");
    folder.ok(&format!("{ENCRYPT} -o image.ct"));
    let copy = |name: &str| {
        std::fs::copy(folder.path(&format!("other/{name}")), folder.path(&format!("keys/{name}")))
    };
    copy("public.key").unwrap();
    folder.fails(&format!("{ENCRYPT} -q -o x.ct"), "different sets were mixed");
    folder.fails("encrypt p.client --public keys/public.key --input image.u8 -q -o x.ct", "mixed");
    folder.fails(&format!("{RUN} -o x.ct"), "mixed");
    folder.fails("decrypt p.client --key keys/secret.key --input image.ct", "mixed");
    copy("secret.key").unwrap();
    copy("evaluation.keys").unwrap();
    folder.fails(&format!("{RUN} -o x.ct"), "another key set");
    folder.ok(&format!("{ENCRYPT} -o image.ct"));
    folder.ok(&format!("{RUN} -o result.ct"));
}

#[test]
fn large_keys_need_consent() {
    let folder = folder();
    let start = Instant::now();
    folder.fails("keygen p.client -o keys --memory-budget 1", "--yes generates them, --memory-budget");
    let refused = start.elapsed();
    assert_eq!(names(&folder.path("")), ["image.u8", "p.client", "p.plan"], "nothing was generated");
    folder.ok("keygen p.client -o keys --memory-budget 1 --yes");
    folder.ok("keygen p.client -o keys --memory-budget 1000 --force");
    eprintln!("refused after {refused:?}");
}

#[test]
fn secret_keys_are_looked_after() {
    let folder = with_keys();
    let key = folder.path("keys/secret.key");
    let warned = || {
        let output = folder.fhec(&format!("{ENCRYPT} -o image.ct"));
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stderr).contains("others can read this secret key")
    };
    for (mode, expected) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
        std::fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        assert_eq!(warned(), expected, "{mode:o}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn processes_with_a_secret_key_leave_no_core() {
    use std::os::unix::process::ExitStatusExt;
    let folder = with_keys();
    // Limits as they would be where dumps are on.
    for (line, guarded) in
        [("keygen p.client -o keys --force", true), ("infer p.plan --input image.u8", true)]
    {
        let limited = format!("ulimit -c unlimited; exec {} {line}", env!("CARGO_BIN_EXE_fhec"));
        let mut command = Command::new("bash");
        let mut child = command
            .current_dir(folder.path(""))
            .args(["-c", &limited])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let limits = format!("/proc/{}/limits", child.id());
        let is_off = || {
            let text = std::fs::read_to_string(&limits).unwrap_or_default();
            let line =
                text.lines().find(|l| l.starts_with("Max core file size")).unwrap_or_default().to_string();
            line.split_whitespace().filter(|w| *w == "0").count() == 2
        };
        let mut seen = false;
        while !seen && child.try_wait().unwrap().is_none() {
            seen = is_off();
        }
        assert_eq!(seen, guarded, "{line}");
        let abort = Command::new("kill").args(["-ABRT", &child.id().to_string()]).status().unwrap();
        let status = child.wait().unwrap();
        assert!(!abort.success() || status.signal().is_none() || !status.core_dumped(), "{line}");
    }
}

#[test]
fn threads_have_a_limit() {
    let folder = folder();
    let usage = |line: &str| {
        let output = folder.fhec(line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("1..=256"), "{line}");
    };
    usage("infer p.plan --input image.u8 --threads 0");
    usage("infer p.plan --input image.u8 --threads 1000");
    usage("infer p.plan --input image.u8 --threads 100000");
    let start = Instant::now();
    let output = folder.fhec("infer p.plan --input image.u8 --threads 256");
    let cores = std::thread::available_parallelism().unwrap().get();
    let noted = String::from_utf8_lossy(&output.stderr).contains("4 for each of");
    assert!(output.status.success() && noted == (4 * cores < 256), "{output:?}");
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn names_in_files_do_not_command_the_terminal() {
    let folder = Folder::new();
    let parameters = common::secure_parameters();
    let (plan, _) = common::plan(&parameters, common::convolution(&parameters, KERNEL));
    let mut plan = (*plan).clone();
    let name = "net\u{1b}[2J\u{9b}31m\u{202e}";
    plan.client.network = name.into();
    plan.save(&folder.path("p.plan")).unwrap();
    let shown = folder.ok("inspect p.plan");
    assert!(!shown.contains(['\u{1b}', '\u{9b}', '\u{202e}']) && shown.contains("net\\u{1b}[2J"), "{shown}");
    let raw = folder.ok("inspect p.plan --json");
    assert!(!raw.contains(['\u{1b}', '\u{9b}', '\u{202e}']));
    assert_eq!(cli::json(&raw)["network"], name);
    let output = folder.fhec("inspect evil\u{1b}[2J.plan");
    assert!(!output.stderr.contains(&0x1b), "{output:?}");
}

#[test]
fn what_is_no_regular_file_is_not_waited_for() {
    let folder = folder();
    assert!(Command::new("mkfifo").arg(folder.path("fifo.plan")).status().unwrap().success());
    folder.fails("inspect fifo.plan", "no regular file");
}
