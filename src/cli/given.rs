//! Which options were given, for those that only some of a verb's files can have.

use anyhow::{Result, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches, Id};

/// Why options of compilation mean nothing beside a plan.
pub(crate) const COMPILED: &str = "this is for compiling an .onnx, a plan is compiled already";

/// Options, and the names of those that stand on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Given<A> {
    pub(crate) args: A,
    names: Vec<String>,
}

impl<A> Given<A> {
    /// Fails if one of the options was given.
    ///
    /// # Errors
    /// Names them, and says why they mean nothing.
    pub(crate) fn none(&self, why: &str) -> Result<()> {
        if self.names.is_empty() { Ok(()) } else { bail!("{}: {why}", self.names.join(", ")) }
    }
}

impl<A: Args> FromArgMatches for Given<A> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let args = A::from_arg_matches(matches)?;
        let command = A::augment_args(Command::new(""));
        let given = |id: &Id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine);
        let given = command.get_arguments().filter(|arg| given(arg.get_id()));
        let names = given.filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect();
        Ok(Self { args, names })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<A: Args> Args for Given<A> {
    fn group_id() -> Option<Id> {
        A::group_id()
    }

    fn augment_args(command: Command) -> Command {
        A::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        A::augment_args_for_update(command)
    }
}
