use std::fs::{Permissions, read, write};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::dead::remove_dead;
use super::paths::Ours;
use super::*;

fn put(path: &Path, text: &str) -> io::Result<()> {
    write_atomically(path, None, |out| out.write_all(text.as_bytes()))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn links_stay_and_what_they_lead_to_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("far")).unwrap();
    write(path("far/file"), "old").unwrap();
    symlink("far/file", path("link")).unwrap();
    symlink(path("link"), path("twice")).unwrap();
    put(&path("twice"), "new").unwrap();
    assert!(path("twice").is_symlink() && path("link").is_symlink());
    assert_eq!(read(path("far/file")).unwrap(), b"new");
    assert_eq!(names(&path("far")), ["file"]);
    symlink("far/none", path("dangling")).unwrap();
    put(&path("dangling"), "made").unwrap();
    assert_eq!(read(path("far/none")).unwrap(), b"made");
    symlink("round", path("round")).unwrap();
    assert!(put(&path("round"), "").is_err());
    assert_eq!(put(&path("far"), "").unwrap_err().kind(), ErrorKind::IsADirectory);
}

#[test]
fn fifos_and_devices_are_written_to() {
    put(Path::new("/dev/null"), "gone").unwrap();
    check_writable(Path::new("/dev/null")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    check_writable(&fifo).unwrap();
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || std::fs::read_to_string(fifo).unwrap()
    });
    put(&fifo, "through").unwrap();
    assert_eq!(reader.join().unwrap(), "through");
    assert!(!std::fs::metadata(&fifo).unwrap().is_file());
    assert_eq!(names(folder.path()), ["fifo"]);
}

#[test]
fn permissions_stay() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    for bits in [0o640, 0o666, 0o600] {
        write(&file, "old").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(bits)).unwrap();
        put(&file, "new").unwrap();
        assert_eq!(mode(&file), bits);
    }
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    write_atomically(&file, Some(0o600), |out| out.write_all(b"secret")).unwrap();
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn secret_keys_are_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (key, link, other) =
        (folder.path().join("key"), folder.path().join("link"), folder.path().join("other"));
    let head = |kind: u32| [&b"FHECDATA"[..], &1u32.to_le_bytes(), &kind.to_le_bytes(), b"rest"].concat();
    write(&key, head(1)).unwrap();
    write(&other, head(2)).unwrap();
    symlink(&key, &link).unwrap();
    for path in [&key, &link] {
        assert_eq!(put(path, "x").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert!(check_writable(path).is_err());
    }
    assert_eq!(read(&key).unwrap(), head(1));
    put(&other, "x").unwrap();
}

#[test]
fn whether_it_can_be_written_is_known_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write(path("file"), "").unwrap();
    check_writable(&path("new")).unwrap();
    check_folder(&path("a/b/c")).unwrap();
    assert!(check_writable(&path("nowhere/new")).is_err());
    assert!(check_writable(folder.path()).is_err());
    assert!(check_writable(&path("file/new")).is_err());
    assert!(check_folder(&path("file/new")).is_err());
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn what_dead_processes_left_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write(path(".fhec-aB3dE6gH.part"), "half a key").unwrap();
    std::fs::create_dir(path(".fhec-keys.part")).unwrap();
    write(path(".fhec-keys.part/secret.key"), "a key").unwrap();
    // The old set lies beside: the process died between two renamings.
    std::fs::create_dir(path(".fhec-more.old")).unwrap();
    write(path(".fhec-more.old/secret.key"), "another key").unwrap();
    let foreign = [".fhec-config", ".fhec-notes.part", "fhec-aB3dE6gH.part"];
    foreign.iter().for_each(|name| write(path(name), "").unwrap());
    let alive = unfinished::Unfinished::create(folder.path(), None).unwrap();
    let left = names(folder.path());
    remove_dead(folder.path());
    assert_eq!(names(folder.path()), left, "what is locked stays");
    let mut expected: Vec<_> = foreign.map(String::from).to_vec();
    expected.push("more".into());
    assert_eq!(
        left.iter()
            .filter(|n| !n.ends_with(".part") || foreign.contains(&&n[..]))
            .cloned()
            .collect::<Vec<_>>(),
        {
            expected.sort();
            expected
        }
    );
    assert_eq!(left.len(), 5);
    drop(alive);
    assert_eq!(read(path("more/secret.key")).unwrap(), b"another key");
}

#[test]
fn an_error_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    put(&file, "old").unwrap();
    let failed = write_atomically(&file, None, |out| {
        out.write_all(&vec![1; 3 << 20])?;
        Err(io::Error::other("no more"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "no more");
    assert_eq!(read(&file).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["file"]);
    let long: Vec<u8> = (0..5_000_000u32).map(|k| (k % 251) as u8).collect();
    write_atomically(&file, None, |out| long.chunks(70_001).try_for_each(|c| out.write_all(c))).unwrap();
    assert_eq!(read(&file).unwrap(), long);
}

const KNOWN: [&str; 2] = ["a", "b"];

fn fill(swap: &FolderSwap, text: &str) {
    KNOWN.iter().for_each(|name| put(&swap.folder().join(name), text).unwrap());
}

#[test]
fn folders_are_replaced_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("deep/keys");
    let first = FolderSwap::begin(&keys, &KNOWN, false).unwrap();
    assert!(!keys.exists());
    let busy = FolderSwap::begin(&keys, &KNOWN, true).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::WouldBlock);
    fill(&first, "1");
    first.commit().unwrap();
    assert_eq!(FolderSwap::begin(&keys, &KNOWN, false).unwrap_err().kind(), ErrorKind::AlreadyExists);
    std::fs::set_permissions(&keys, Permissions::from_mode(0o700)).unwrap();
    let second = FolderSwap::begin(&keys, &KNOWN, true).unwrap();
    fill(&second, "2");
    assert_eq!(read(keys.join("a")).unwrap(), b"1");
    second.commit().unwrap();
    assert_eq!((mode(&keys), read(keys.join("a")).unwrap()), (0o700, b"2".to_vec()));
    // One that is given up leaves nothing.
    fill(&FolderSwap::begin(&keys, &KNOWN, true).unwrap(), "3");
    assert_eq!(read(keys.join("b")).unwrap(), b"2");
    assert_eq!(names(&folder.path().join("deep")), ["keys"]);
    // Through a link, which stays.
    symlink("deep/keys", folder.path().join("link")).unwrap();
    let linked = FolderSwap::begin(&folder.path().join("link"), &KNOWN, true).unwrap();
    fill(&linked, "4");
    linked.commit().unwrap();
    assert!(folder.path().join("link").is_symlink());
    assert_eq!(read(keys.join("a")).unwrap(), b"4");
}

#[test]
fn folders_of_others_are_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, why: &str| {
        let error = FolderSwap::begin(&folder.path().join(name), &KNOWN, true).unwrap_err().to_string();
        assert!(error.contains(why), "{name}: {error}");
    };
    std::fs::create_dir_all(folder.path().join("foreign/a")).unwrap();
    refused("foreign", "it holds a, which is no key");
    write(folder.path().join("file"), "").unwrap();
    refused("file", "no folder");
    std::fs::create_dir(folder.path().join("linked")).unwrap();
    symlink("../file", folder.path().join("linked/b")).unwrap();
    refused("linked", "it holds b");
    symlink("nowhere", folder.path().join("dangling")).unwrap();
    refused("dangling", "leads nowhere");
    assert_eq!(names(folder.path()), ["dangling", "file", "foreign", "linked"]);
    assert!(FolderSwap::begin(Path::new("/"), &KNOWN, true).is_err());
}

#[test]
fn names_that_are_ours() {
    for ours in [Ours::Part("x.y"), Ours::Old("keys"), Ours::Lock("a b")] {
        assert_eq!(Ours::of(&ours.to_string()), Some(ours));
    }
    assert_eq!(Ours::of(".fhec-x"), None);
    assert_eq!(Ours::of("x.part"), None);
}
