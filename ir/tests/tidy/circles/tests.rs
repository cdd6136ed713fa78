//! The resolver on made-up crates.

use super::crates::Crate;
use super::{Arrows, between_modules, circles};
use std::collections::BTreeSet;
use std::path::Path;

/// The arrows of a crate of (file, text) pairs, as `from -> to: names`.
fn arrows(files: &[(&str, &str)]) -> Vec<String> {
    let show = |((from, to), names): (&(String, String), &BTreeSet<String>)| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("{from} -> {to}: {}", names.join(" "))
    };
    read(files).iter().map(show).collect()
}

fn read(files: &[(&str, &str)]) -> Arrows {
    let source = |path: &Path| {
        let text = files.iter().find(|(name, _)| Path::new(name) == path)?.1;
        Some(text.to_string())
    };
    Crate::read(Path::new("lib.rs"), &source).arrows()
}

#[test]
fn a_facade_stands_for_what_it_offers() {
    let files = [
        ("lib.rs", "pub mod ring; mod user;"),
        ("ring/mod.rs", "mod poly; pub use poly::{Poly as RnsPoly, sum}; pub struct Ring;"),
        ("ring/poly.rs", "use super::Ring; pub struct Poly; pub fn sum() {}"),
        ("user.rs", "use crate::ring::{Ring, RnsPoly}; fn f() { crate::ring::sum() }"),
    ];
    let expected = [
        "ring/poly.rs -> ring/mod.rs: Ring",
        "user.rs -> ring/mod.rs: Ring",
        "user.rs -> ring/poly.rs: RnsPoly sum",
    ];
    assert_eq!(arrows(&files), expected);
    assert!(circles(&read(&files)).is_empty());
}

#[test]
fn a_parent_that_uses_its_child_needs_it() {
    let files = [
        ("lib.rs", "mod child; pub use child::Part; pub struct Whole(Part);"),
        ("child.rs", "use super::Whole; pub struct Part; impl Whole {}"),
    ];
    assert_eq!(arrows(&files), ["child.rs -> lib.rs: Whole", "lib.rs -> child.rs: Part"]);
    let text = "2 together:\n  child.rs -> lib.rs: Whole\n  lib.rs -> child.rs: Part\n";
    assert_eq!(circles(&read(&files)), [text]);
}

#[test]
fn modules_can_form_a_circle_where_files_do_not() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a/mod.rs", "mod low; mod high; pub use low::Low;"),
        ("a/low.rs", "pub struct Low;"),
        ("a/high.rs", "use crate::b::Middle;"),
        ("b.rs", "use crate::a::Low; pub struct Middle(Low);"),
    ];
    let arrows = read(&files);
    assert!(circles(&arrows).is_empty());
    let text = "2 together:\n  a -> b: Middle\n  b -> a: Low\n";
    assert_eq!(circles(&between_modules(&arrows, Path::new(""))), [text]);
}

#[test]
fn imports_of_all_kinds() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "pub fn one() {} pub fn two() {} pub enum E { V } pub mod deep { pub const D: u8 = 0; }"),
        ("b.rs", "use crate::a::{self, deep::{self as d}, E::*}; fn f() { a::one(); d::D; V; two() }"),
        ("c.rs", "use super::a::*; use self::a::missing; use std::fmt::Write as W; fn f(w: W) { two() }"),
    ];
    assert_eq!(arrows(&files), ["b.rs -> a.rs: D E one", "c.rs -> a.rs: two"]);
}

#[test]
fn names_inside_macros_and_functions() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "pub fn one() {} pub const N: usize = 1; pub struct S { one: u8 }"),
        ("b.rs", "fn f() { vec![crate::a::one(); 0..crate::a::N]; g!(x.one, y: ::a::S, <u8>::one) }"),
        ("c.rs", "fn f() { use crate::a::S; macro_rules! m { () => { $crate::a::N } } }"),
    ];
    assert_eq!(arrows(&files), ["b.rs -> a.rs: N one", "c.rs -> a.rs: N S"]);
}

#[test]
fn tests_may_look_anywhere() {
    let files = [
        ("lib.rs", "mod a; #[cfg(test)] mod tests; #[cfg(all(test, unix))] mod more;"),
        (
            "a.rs",
            "pub struct A; impl A { #[cfg(test)] fn f() { crate::b::g() } } #[cfg(any(test, unix))] mod b;",
        ),
        ("a/b.rs", "use super::A; #[cfg(test)] mod tests { use crate::a::*; }"),
    ];
    assert_eq!(arrows(&files), ["a/b.rs -> a.rs: A"]);
}

#[test]
fn circles_of_imports_end() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub use crate::b::*; pub use crate::b::x;"),
        ("b.rs", "pub use crate::a::*; pub use crate::a::x;"),
    ];
    assert!(arrows(&files).is_empty());
}
