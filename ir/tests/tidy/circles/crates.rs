//! A crate as a tree of modules: what each defines, imports and mentions.

use super::mentions::{Mentions, Path};
use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use syn::{Attribute, Item, Meta, UseTree, Visibility};

/// Index of a module; the root is 0, and parents come before their children.
pub(super) type ModuleId = usize;

/// A module of a crate, without what is compiled for tests only.
#[derive(Default)]
pub(super) struct Module {
    /// The file that holds it, relative to the workspace.
    pub(super) file: String,
    pub(super) parent: Option<ModuleId>,
    pub(super) children: BTreeMap<String, ModuleId>,
    /// Names of types, functions, constants, traits and macros.
    pub(super) items: Vec<String>,
    pub(super) imports: Vec<Import>,
    /// Paths in its code, imports apart.
    pub(super) mentions: Vec<Path>,
}

/// One name, or all of a module, brought into a module by `use`.
pub(super) struct Import {
    /// What it is called here; none if all names of `path` are meant.
    pub(super) name: Option<String>,
    pub(super) path: Path,
    /// Whether others may take it from here.
    pub(super) exported: bool,
}

/// A library or a program.
pub(super) struct Crate {
    pub(super) modules: Vec<Module>,
}

/// Gives the text of a file, if there is one.
type Source<'a> = &'a dyn Fn(&FilePath) -> Option<String>;

impl Crate {
    /// Reads the crate whose root module is the file `entry`.
    pub(super) fn read(entry: &FilePath, source: Source<'_>) -> Self {
        let mut krate = Self { modules: Vec::new() };
        let folder = entry.parent().expect("a source file lies in a folder");
        let root = krate.module(None, entry);
        krate.read_file(root, entry, folder, source);
        krate
    }

    /// Number of files.
    pub(super) fn files(&self) -> usize {
        let mut files: Vec<&str> = self.modules.iter().map(|m| m.file.as_str()).collect();
        files.sort_unstable();
        files.dedup();
        files.len()
    }

    fn module(&mut self, parent: Option<ModuleId>, file: &FilePath) -> ModuleId {
        let file = file.to_string_lossy().replace('\\', "/");
        self.modules.push(Module { file, parent, ..Module::default() });
        self.modules.len() - 1
    }

    /// Reads `file` into `module`; files of its child modules lie in `folder`.
    fn read_file(&mut self, module: ModuleId, file: &FilePath, folder: &FilePath, source: Source<'_>) {
        let text = source(file).unwrap_or_else(|| panic!("{} cannot be read", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        self.read_items(module, file, folder, &parsed.items, source);
    }

    fn read_items(
        &mut self,
        module: ModuleId,
        file: &FilePath,
        folder: &FilePath,
        items: &[Item],
        source: Source<'_>,
    ) {
        let mut mentions = Mentions::default();
        for item in items.iter().filter(|item| !only_for_tests(attributes(item))) {
            let Item::Mod(child) = item else {
                self.modules[module].items.extend(defined(item));
                mentions.of(item);
                continue;
            };
            let name = child.ident.to_string();
            let below = folder.join(&name);
            let id = match &child.content {
                Some((_, items)) => {
                    let id = self.module(Some(module), file);
                    self.read_items(id, file, &below, items, source);
                    id
                }
                None => {
                    let candidates = [below.with_extension("rs"), below.join("mod.rs")];
                    let file: PathBuf = candidates
                        .into_iter()
                        .find(|path| source(path).is_some())
                        .unwrap_or_else(|| panic!("{}: no file of module {name}", file.display()));
                    let id = self.module(Some(module), &file);
                    self.read_file(id, &file, &below, source);
                    id
                }
            };
            self.modules[module].children.insert(name, id);
        }
        for item in mentions.imports {
            let exported = !matches!(item.vis, Visibility::Inherited);
            let prefix = Path { absolute: item.leading_colon.is_some(), names: Vec::new() };
            add_imports(&mut self.modules[module].imports, exported, prefix, &item.tree);
        }
        self.modules[module].mentions = mentions.paths;
    }
}

/// Adds the leaves of a tree of imports.
fn add_imports(imports: &mut Vec<Import>, exported: bool, prefix: Path, tree: &UseTree) {
    let mut add = |name: Option<String>, path| imports.push(Import { name, path, exported });
    match tree {
        UseTree::Path(step) => add_imports(imports, exported, prefix.then(&step.ident), &step.tree),
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| add_imports(imports, exported, prefix.clone(), tree));
        }
        // `use a::{self}` brings a itself.
        UseTree::Name(leaf) if leaf.ident == "self" => add(prefix.names.last().cloned(), prefix),
        UseTree::Name(leaf) => add(Some(leaf.ident.to_string()), prefix.then(&leaf.ident)),
        UseTree::Rename(leaf) if leaf.ident == "self" => add(Some(leaf.rename.to_string()), prefix),
        UseTree::Rename(leaf) => add(Some(leaf.rename.to_string()), prefix.then(&leaf.ident)),
        UseTree::Glob(_) => add(None, prefix),
    }
}

/// The name that an item defines.
fn defined(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(i) => &i.ident,
        Item::Enum(i) => &i.ident,
        Item::Fn(i) => &i.sig.ident,
        Item::Macro(i) => i.ident.as_ref()?,
        Item::Static(i) => &i.ident,
        Item::Struct(i) => &i.ident,
        Item::Trait(i) => &i.ident,
        Item::TraitAlias(i) => &i.ident,
        Item::Type(i) => &i.ident,
        Item::Union(i) => &i.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Mod(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::TraitAlias(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::Union(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

/// Whether a `cfg` among the attributes leaves the item to tests.
pub(super) fn only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|a| a.path().is_ident("cfg")).any(|attribute| {
        let Meta::List(list) = &attribute.meta else { return false };
        list.parse_args::<Meta>().is_ok_and(|condition| !possible(&condition))
    })
}

/// Whether a condition can hold outside tests.
fn possible(condition: &Meta) -> bool {
    let parts = |list: &syn::MetaList| {
        let all = syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated;
        list.parse_args_with(all).expect("conditions stand in a list")
    };
    match condition {
        Meta::Path(name) => !name.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => parts(list).iter().all(possible),
        Meta::List(list) if list.path.is_ident("any") => parts(list).iter().any(possible),
        _ => true,
    }
}
