//! From the names in a crate to the files that define them.

use super::Arrows;
use super::crates::{Crate, ModuleId};
use super::mentions::Path;

/// What a name can stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Module(ModuleId),
    /// Something else that this module defines.
    Item(ModuleId),
}

/// Modules whose names are being looked up: imports may form circles.
type Asked = Vec<(ModuleId, String)>;

impl Crate {
    /// From every file to those whose definitions it names.
    pub(super) fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (id, module) in self.modules.iter().enumerate() {
            let mut add = |name: &str, definer: ModuleId| {
                let to = &self.modules[definer].file;
                if *to != module.file {
                    let names = arrows.entry((module.file.clone(), to.clone())).or_default();
                    names.insert(name.to_string());
                }
            };
            for path in &module.mentions {
                self.definitions(id, path).into_iter().for_each(|(name, definer)| add(name, definer));
            }
            for import in &module.imports {
                for (name, definer) in self.definitions(id, &import.path) {
                    if !(import.exported && self.is_below(definer, id)) {
                        add(name, definer);
                    }
                }
            }
        }
        arrows
    }

    /// The item that `path` leads to from `module`, and the modules that may define it: a type and a function can
    /// share a name. What follows an item, a variant or an associated function, is part of it.
    fn definitions<'a>(&self, module: ModuleId, path: &'a Path) -> Vec<(&'a str, ModuleId)> {
        let mut here = Vec::new();
        for (k, name) in path.names.iter().enumerate() {
            let next = match k {
                0 => self.first(module, path),
                _ => here.iter().flat_map(|m| self.look_up(*m, name, &mut Asked::new())).collect(),
            };
            let is_last = k + 1 == path.names.len();
            here =
                next.iter().filter_map(|t| if let Target::Module(m) = t { Some(*m) } else { None }).collect();
            let items: Vec<_> = next
                .iter()
                .filter_map(|t| if let Target::Item(m) = t { Some((name.as_str(), *m)) } else { None })
                .collect();
            // Names before `::` are modules where there is one of that name.
            if is_last || here.is_empty() {
                return items;
            }
        }
        Vec::new()
    }

    /// What the first name of a path stands for in `module`.
    fn first(&self, module: ModuleId, path: &Path) -> Vec<Target> {
        let parent = self.modules[module].parent;
        match path.names[0].as_str() {
            _ if path.absolute => Vec::new(),
            "crate" => vec![Target::Module(0)],
            "self" => vec![Target::Module(module)],
            "super" => parent.map(Target::Module).into_iter().collect(),
            name => self.look_up(module, name, &mut Asked::new()),
        }
    }

    /// What `name` stands for among the names of `module`.
    fn look_up(&self, module: ModuleId, name: &str, asked: &mut Asked) -> Vec<Target> {
        let key = (module, name.to_string());
        if asked.contains(&key) {
            return Vec::new();
        }
        asked.push(key);
        let m = &self.modules[module];
        if name == "super" {
            return m.parent.map(Target::Module).into_iter().collect();
        }
        let mut found: Vec<Target> = m.children.get(name).map(|id| Target::Module(*id)).into_iter().collect();
        if m.items.iter().any(|item| item == name) {
            found.push(Target::Item(module));
        }
        for import in m.imports.iter().filter(|i| i.name.as_deref() == Some(name)) {
            found.extend(self.follow(module, &import.path, asked));
        }
        // A name of the module's own hides those that it imports as part of a whole module.
        if found.is_empty() {
            for import in m.imports.iter().filter(|i| i.name.is_none()) {
                for target in self.follow(module, &import.path, asked) {
                    if let Target::Module(from) = target {
                        found.extend(self.look_up(from, name, asked));
                    }
                }
            }
        }
        found
    }

    /// What the whole of an imported path stands for.
    fn follow(&self, module: ModuleId, path: &Path, asked: &mut Asked) -> Vec<Target> {
        let first = path.names.first().map(String::as_str);
        let mut here = match first {
            None => return Vec::new(),
            Some("crate" | "self" | "super") => self.first(module, path),
            Some(_) if path.absolute => Vec::new(),
            Some(name) => self.look_up(module, name, asked),
        };
        for name in &path.names[1..] {
            let mut next = Vec::new();
            for target in &here {
                match target {
                    Target::Module(m) => next.extend(self.look_up(*m, name, asked)),
                    Target::Item(m) => next.push(Target::Item(*m)),
                }
            }
            here = next;
        }
        here
    }

    /// Whether `module` lies below `ancestor` in the tree of modules.
    fn is_below(&self, module: ModuleId, ancestor: ModuleId) -> bool {
        let mut up = self.modules[module].parent;
        while let Some(m) = up {
            if m == ancestor {
                return true;
            }
            up = self.modules[m].parent;
        }
        false
    }
}
