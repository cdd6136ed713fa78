//! The paths that code mentions.

use super::crates::only_for_tests;
use proc_macro2::{Spacing, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{ImplItemFn, Item, ItemUse};

/// Names joined by `::`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path {
    /// Whether it starts with `::`, that is at the name of another crate.
    pub(super) absolute: bool,
    pub(super) names: Vec<String>,
}

impl Path {
    /// The path with another name behind it.
    pub(super) fn then(mut self, name: &impl ToString) -> Self {
        self.names.push(name.to_string());
        self
    }
}

/// What has been found so far.
#[derive(Default)]
pub(super) struct Mentions<'a> {
    pub(super) paths: Vec<Path>,
    /// Imports, those inside functions included.
    pub(super) imports: Vec<&'a ItemUse>,
}

impl<'a> Mentions<'a> {
    /// Adds those of an item.
    pub(super) fn of(&mut self, item: &'a Item) {
        self.visit_item(item);
    }

    fn add(&mut self, path: Path) {
        if !path.names.is_empty() {
            self.paths.push(path);
        }
    }

    /// Adds the paths in tokens that no grammar is known for: arguments of macros and their definitions.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path = Path::default();
        // Colons that belong together, or dots, right before the token at hand.
        let (mut colons, mut dots) = (0, 0);
        for token in tokens {
            let before = (colons, dots);
            (colons, dots) = (0, 0);
            match &token {
                TokenTree::Punct(p) if p.as_char() == ':' && before.0 == 1 => {
                    colons = 2;
                    continue;
                }
                TokenTree::Punct(p) if p.as_char() == ':' && p.spacing() == Spacing::Joint => {
                    colons = 1;
                    continue;
                }
                TokenTree::Ident(name) if before.0 == 2 => {
                    let absolute = path.absolute || path.names.is_empty();
                    path = Path { absolute, ..path }.then(name);
                    continue;
                }
                _ => self.add(std::mem::take(&mut path)),
            }
            match token {
                // What stands behind a single dot is a field or a method.
                TokenTree::Ident(name) if before.1 != 1 => path = path.then(&name),
                TokenTree::Punct(p) if p.as_char() == '.' => dots = before.1 + 1,
                TokenTree::Group(group) => self.scan(group.stream()),
                _ => {}
            }
        }
        self.add(path);
    }
}

impl<'a> Visit<'a> for Mentions<'a> {
    fn visit_path(&mut self, path: &'a syn::Path) {
        let names = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.add(Path { absolute: path.leading_colon.is_some(), names });
        visit::visit_path(self, path);
    }

    fn visit_token_stream(&mut self, tokens: &'a TokenStream) {
        self.scan(tokens.clone());
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        self.imports.push(item);
    }

    fn visit_impl_item_fn(&mut self, function: &'a ImplItemFn) {
        if !only_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }
}
