//! What is shown whole: the plan before the question, and the end of a run.

mod closing;
mod confinement;
mod diagnosis;
mod writes;

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use console::measure_text_width;

pub use closing::summary;
pub use confinement::confinement;
pub use diagnosis::diagnosis;
pub use writes::writes;

use super::event::{PlanView, ServiceChange, StepView};
use super::format::{UNCHANGED, change, wrap};
use super::paint::Paint;
use crate::text::one_line;

/// Below this nothing readable can be made.
const NARROWEST: usize = 40;

/// Below this a tag has a line of its own.
const NARROW: usize = 72;

const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

#[derive(Clone, Copy)]
struct Paper {
    width: usize,
    paint: Paint,
}

/// The plan, with all of its effects: they are what the operator approves.
pub fn plan(plan: &PlanView, width: usize, colour: bool) -> String {
    let paper = Paper { width: width.max(NARROWEST), paint: Paint::new(colour) };
    let images = Images::of(&plan.services);
    let title = format!("Plan for {}, run {}", one_line(&plan.project), one_line(&plan.run));
    let mut lines = vec![paper.paint.bold(&title), String::new()];
    services(&mut lines, &plan.services, images, paper);
    lines.extend([String::new(), paper.paint.bold("Steps")]);
    if plan.steps.is_empty() {
        lines.push("  There is nothing to do.".into());
    }
    steps(&mut lines, &plan.steps, images, paper);
    way_back(&mut lines, plan, images, paper);
    if !plan.notes.is_empty() {
        lines.extend([String::new(), paper.paint.bold("Notes")]);
        for note in &plan.notes {
            item(&mut lines, "  - ", note, paper.width);
        }
    }
    lines.join("\n") + "\n"
}

/// `text` behind `mark`, wrapped so that it stays right of the mark.
fn item(lines: &mut Vec<String>, mark: &str, text: &str, width: usize) {
    hanging(lines, mark, measure_text_width(mark), text, width);
}

/// As [`item`], with another indent from the second line on.
fn hanging(lines: &mut Vec<String>, mark: &str, indent: usize, text: &str, width: usize) {
    let columns = width.saturating_sub(indent.max(measure_text_width(mark)));
    for (n, line) in wrap(&one_line(text), columns).iter().enumerate() {
        match n {
            0 => lines.push(format!("{mark}{line}")),
            _ => lines.push(format!("{}{line}", " ".repeat(indent))),
        }
    }
}

fn services(lines: &mut Vec<String>, services: &[ServiceChange], images: Images, paper: Paper) {
    if services.is_empty() {
        lines.push("No service gets another image.".into());
        return;
    }
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(paper.width).unwrap_or(u16::MAX));
    table.set_header(["Service", "Before", "", "After"]);
    for service in services {
        let (before, after) = change(service);
        let arrow = if after == UNCHANGED { "" } else { "→" };
        let name = one_line(&service.service);
        let cell = |reference: &str| match images.shown(reference) {
            shown if paper.width < NARROW => shown.replacen(':', "\n:", 1),
            shown => shown,
        };
        table.add_row([name, cell(&before), arrow.into(), cell(&after)]);
    }
    for (n, line) in table.trim_fmt().lines().enumerate() {
        lines.push(match n {
            0 => paper.paint.bold(line),
            1 => paper.paint.dim(line),
            _ => line.to_owned(),
        });
    }
    if let Some(common) = images.common {
        item(lines, " … is ", common, paper.width);
    }
}

/// The images' references, without what most of them have in common.
#[derive(Clone, Copy)]
struct Images<'a> {
    common: Option<&'a str>,
}

impl<'a> Images<'a> {
    fn of(services: &'a [ServiceChange]) -> Self {
        Self { common: common_directory(services) }
    }

    fn shown(self, reference: &str) -> String {
        let rest = self.common.and_then(|common| reference.strip_prefix(common));
        match rest.filter(|rest| rest.starts_with('/')) {
            Some(rest) => one_line(&format!("…{rest}")),
            None => one_line(reference),
        }
    }

    /// One that lists images has a line for each; any other is a single item.
    fn items(self, effect: &str) -> Vec<String> {
        let lists = self.common.is_some_and(|common| effect.contains(common));
        if !lists || effect.contains('…') {
            return vec![effect.to_owned()];
        }
        let words = |item: &str| item.split(' ').map(|word| self.shown(word)).collect::<Vec<_>>();
        effect.split_inclusive(", ").map(|item| words(item.trim_end()).join(" ")).collect()
    }
}

/// Where most of the images come from: "registry.example.com/tessallite".
fn common_directory(services: &[ServiceChange]) -> Option<&str> {
    let directories: Vec<&str> = services
        .iter()
        .flat_map(|service| [&service.before, &service.after])
        .filter_map(|reference| {
            let name = reference.split('@').next()?;
            Some(name.rsplit_once('/')?.0)
        })
        .collect();
    let count = |directory: &str| directories.iter().filter(|&&other| other == directory).count();
    let most = directories.iter().copied().max_by_key(|directory| count(directory))?;
    // A short one is clearer in full.
    (count(most) > 1 && most.len() > 8).then_some(most)
}

fn way_back(lines: &mut Vec<String>, plan: &PlanView, images: Images, paper: Paper) {
    if plan.rollback.is_empty() {
        return;
    }
    let heading = paper.paint.bold("If it fails, or on tessallite-up rollback");
    lines.extend([String::new(), heading]);
    steps(lines, &plan.rollback, images, paper);
}

/// The rollback of a plan, for an operator who is about to go back.
pub fn rollback(plan: &PlanView, width: usize, colour: bool) -> String {
    let paper = Paper { width: width.max(NARROWEST), paint: Paint::new(colour) };
    let images = Images::of(&plan.services);
    let title = format!("Rollback of run {}, {}", one_line(&plan.run), one_line(&plan.project));
    let mut lines = vec![paper.paint.bold(&title), String::new()];
    steps(&mut lines, &plan.rollback, images, paper);
    lines.join("\n") + "\n"
}

fn steps(lines: &mut Vec<String>, steps: &[StepView], images: Images, paper: Paper) {
    let several = steps.windows(2).any(|pair| pair[0].plugin != pair[1].plugin);
    for (index, step) in steps.iter().enumerate() {
        let title = match several {
            true => format!("{} (by {})", step.title, step.plugin),
            false => step.title.clone(),
        };
        item(lines, &format!("{:3}. ", index + 1), &title, paper.width);
        for effect in &step.effects {
            let items = images.items(effect);
            let indent = if items.len() > 1 { 11 } else { 7 };
            for (n, text) in items.iter().enumerate() {
                let mark = if n == 0 { "     - " } else { "         " };
                hanging(lines, mark, indent, text, paper.width);
            }
        }
        if step.effects.is_empty() {
            lines.push(paper.paint.dim("       changes nothing"));
        }
    }
}

#[cfg(test)]
mod tests;
