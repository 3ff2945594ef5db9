//! What the backends of a run can do, side by side, as tables in Markdown.

use std::io::{self, Write};

use super::Reporter;
use crate::event::RunEvent;
use crate::matrix::{Column, functions, groups};

/// Writes the tables of [`matrix`](crate::matrix) once the run is over.
pub struct Matrix<W> {
    out: W,
    columns: Vec<Column>,
}

impl<W: Write> Matrix<W> {
    /// A report to `out`.
    pub fn new(out: W) -> Self {
        Self { out, columns: Vec::new() }
    }
}

impl<W: Write> Reporter for Matrix<W> {
    fn take(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        match event {
            RunEvent::Started { .. } | RunEvent::CaseStarted { .. } => {}
            RunEvent::TargetStarted { name, capabilities, .. } => {
                let (name, capabilities) = (name.to_string(), capabilities.cloned());
                self.columns.push(Column { name, capabilities, outcomes: Vec::new() });
            }
            RunEvent::CaseFinished { outcome } => {
                let column = self.columns.last_mut();
                column.into_iter().for_each(|column| column.outcomes.push((*outcome).clone()));
            }
            RunEvent::TargetFinished { .. } => {}
            RunEvent::Finished { summary } => {
                let tables = [functions(&self.columns), groups(&self.columns)];
                let text = tables.each_ref().map(crate::matrix::Table::markdown).join("\n");
                write!(self.out, "{text}")?;
                if let Some(reason) = &summary.ended_early {
                    writeln!(self.out, "\nThe run ended early: {reason}")?;
                }
                self.out.flush()?;
            }
        }
        Ok(())
    }
}
