//! What a reviewer can decide, and what an instance is after it.

use crate::scene::{Instance, OrientedBox, Rle, Similarity};
use nalgebra::{Point3, Vector3};
use serde::{Deserialize, Serialize};

/// What a reviewer thinks of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nobody has said anything.
    #[default]
    Unreviewed,
    /// Good.
    Accepted,
    /// Not good.
    Rejected,
    /// Looked at, and left for somebody else.
    Unsure,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unreviewed, Self::Accepted, Self::Rejected, Self::Unsure];

    /// One word, as it is written in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreviewed => "unreviewed",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Unsure => "unsure",
        }
    }
}

/// Why an instance was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// There is no such thing.
    Nothing,
    /// It is something else.
    Label,
    /// The box does not fit.
    Box,
    /// The masks do not fit.
    Mask,
    /// Another instance is the same thing.
    Duplicate,
    /// Several things in one.
    Several,
    /// Only a part of a thing.
    Part,
    /// The caption is wrong.
    Caption,
    /// Something else.
    Other,
}

impl Reason {
    /// All of them, in the order of their keys 1 to 9.
    pub const ALL: [Self; 9] = [
        Self::Nothing,
        Self::Label,
        Self::Box,
        Self::Mask,
        Self::Duplicate,
        Self::Several,
        Self::Part,
        Self::Caption,
        Self::Other,
    ];

    /// For a button.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing there",
            Self::Label => "wrong label",
            Self::Box => "wrong box",
            Self::Mask => "wrong masks",
            Self::Duplicate => "duplicate",
            Self::Several => "several things",
            Self::Part => "only a part",
            Self::Caption => "wrong caption",
            Self::Other => "other",
        }
    }

    /// One word, as it is written in the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Label => "label",
            Self::Box => "box",
            Self::Mask => "mask",
            Self::Duplicate => "duplicate",
            Self::Several => "several",
            Self::Part => "part",
            Self::Caption => "caption",
            Self::Other => "other",
        }
    }

    /// The digit of its key, 1 to 9.
    pub fn key(self) -> u8 {
        Self::ALL.iter().zip(1..).find(|(r, _)| **r == self).map_or(9, |(_, k)| k)
    }
}

/// The part of the world with `normal . p <= offset`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HalfSpace {
    /// Out of it, world, unit length.
    pub normal: Vector3<f64>,
    /// Scene units along `normal` from the origin.
    pub offset: f64,
}

impl HalfSpace {
    /// Whether it holds a point of the world.
    pub fn contains(&self, p: &Point3<f64>) -> bool {
        self.normal.dot(&p.coords) <= self.offset
    }

    /// The other side of the same plane.
    pub fn opposite(&self) -> Self {
        Self { normal: -self.normal, offset: -self.offset }
    }
}

/// A mask that a reviewer made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrawnMask {
    /// Stem of the image.
    pub image: String,
    /// The mask, at the size of the image.
    pub segmentation: Rle,
}

/// One decision about one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "lowercase")]
pub enum Decision {
    /// Accept it.
    Accept,
    /// Reject it.
    Reject {
        /// Why, where the reviewer said it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
    },
    /// Leave it for somebody else.
    Unsure,
    /// Give it another caption.
    Recaption {
        /// The new caption.
        text: String,
    },
    /// Give it another label.
    Relabel {
        /// The new label.
        text: String,
    },
    /// Write a note beside it; an empty one takes the note away.
    Note {
        /// The note.
        text: String,
    },
    /// Give it another box.
    Rebox {
        /// The new box, world.
        to: OrientedBox,
    },
    /// Keep of its masks only what lies on one side of a plane.
    Keep {
        /// That side.
        side: HalfSpace,
    },
    /// Take the masks and views of others in.
    TakeIn {
        /// Ids of the others.
        ids: Vec<u32>,
    },
    /// A thing that the pipeline did not find.
    Add {
        /// It; its id is that of the decision.
        instance: Box<Instance>,
        /// Its masks.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        masks: Vec<DrawnMask>,
    },
    /// Take it out of the scene.
    Delete,
}

impl Decision {
    /// A rejection without a reason.
    pub const REJECT: Self = Self::Reject { reason: None };

    /// Whether it says how good the instance is: after it a reviewer goes on to the next.
    pub fn is_verdict(&self) -> bool {
        matches!(self, Self::Accept | Self::Reject { .. } | Self::Unsure)
    }

    /// A short sentence without a subject: "accepted", "label is now chair".
    pub fn in_words(&self) -> String {
        match self {
            Self::Accept => "accepted".into(),
            Self::Reject { reason: None } => "rejected".into(),
            Self::Reject { reason: Some(why) } => format!("rejected: {}", why.name()),
            Self::Unsure => "left as unsure".into(),
            Self::Recaption { text } => format!("caption is now \u{201c}{text}\u{201d}"),
            Self::Relabel { text } => format!("label is now {text}"),
            Self::Note { text } if text.is_empty() => "note taken away".into(),
            Self::Note { text } => format!("note: {text}"),
            Self::Rebox { .. } => "box changed".into(),
            Self::Keep { .. } => "masks cut by a plane".into(),
            Self::TakeIn { ids } => {
                let ids: Vec<String> = ids.iter().map(|i| format!("#{i}")).collect();
                format!("took in {}", ids.join(", "))
            }
            Self::Add { .. } => "added".into(),
            Self::Delete => "deleted".into(),
        }
    }

    /// The same decision after the world has become `factor` times as large.
    pub(super) fn rescaled(&self, factor: f64) -> Self {
        let world = Similarity { scale: factor, ..Similarity::identity() };
        match self.clone() {
            _ if factor == 1.0 => self.clone(),
            Self::Rebox { to } => Self::Rebox { to: to.transformed(&world) },
            Self::Keep { side } => Self::Keep { side: HalfSpace { offset: side.offset * factor, ..side } },
            Self::Add { mut instance, masks } => {
                instance.obb = instance.obb.transformed(&world);
                Self::Add { instance, masks }
            }
            same => same,
        }
    }
}

/// Some masks of an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskPart {
    /// Masks of the scene with this id,
    pub of: u32,
    /// and these, which a reviewer made:
    pub drawn: Vec<DrawnMask>,
    /// of all of them what lies on each of these sides.
    pub sides: Vec<HalfSpace>,
}

/// An instance as reviewed: the pipeline's, with the decisions applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Reviewed {
    /// The instance; label, caption, box and views as decided.
    pub instance: Instance,
    /// Accepted, rejected, unsure or none of them.
    pub verdict: Verdict,
    /// Why it was rejected.
    pub reason: Option<Reason>,
    /// What reviewers wrote beside it.
    pub note: String,
    /// Its masks: all of these together.
    pub masks: Vec<MaskPart>,
}

impl Reviewed {
    /// An instance that nothing was decided about.
    pub fn new(instance: Instance) -> Self {
        let masks = vec![MaskPart { of: instance.id, drawn: Vec::new(), sides: Vec::new() }];
        Self { instance, verdict: Verdict::Unreviewed, reason: None, note: String::new(), masks }
    }

    /// An instance that a reviewer added.
    pub(super) fn added(id: u32, instance: &Instance, drawn: &[DrawnMask]) -> Self {
        let mut item = Self::new(Instance { id, ..instance.clone() });
        item.masks = vec![MaskPart { of: id, drawn: drawn.to_vec(), sides: Vec::new() }];
        item
    }

    /// Applies a decision; `before` gives another instance as it was before.
    pub(super) fn apply(&mut self, decision: &Decision, before: &dyn Fn(u32) -> Option<Self>) {
        match decision {
            Decision::Accept => (self.verdict, self.reason) = (Verdict::Accepted, None),
            Decision::Reject { reason } => (self.verdict, self.reason) = (Verdict::Rejected, *reason),
            Decision::Unsure => (self.verdict, self.reason) = (Verdict::Unsure, None),
            Decision::Recaption { text } => self.instance.caption.clone_from(text),
            Decision::Relabel { text } => self.instance.label.clone_from(text),
            Decision::Note { text } => self.note.clone_from(text),
            Decision::Rebox { to } => self.instance.obb = *to,
            Decision::Keep { side } => self.masks.iter_mut().for_each(|m| m.sides.push(*side)),
            Decision::TakeIn { ids } => ids.iter().filter_map(|id| before(*id)).for_each(|other| self.take_in(other)),
            Decision::Add { .. } | Decision::Delete => {}
        }
    }

    /// Takes in the masks of another, and the views that show it: of an image that shows both, the better figures.
    fn take_in(&mut self, other: Self) {
        for part in other.masks {
            if !self.masks.contains(&part) {
                self.masks.push(part);
            }
        }
        let views = &mut self.instance.views;
        for view in other.instance.views {
            match views.iter_mut().find(|v| v.image == view.image) {
                Some(mine) => {
                    mine.mask_score = mine.mask_score.max(view.mask_score);
                    mine.visible_fraction = mine.visible_fraction.max(view.visible_fraction);
                }
                None => views.push(view),
            }
        }
        views.sort_by(|a, b| a.image.cmp(&b.image));
        if self.instance.best_view.is_empty() {
            self.instance.best_view = other.instance.best_view;
        }
    }

    /// Whether label, caption or box are not what the pipeline found.
    pub fn differs_from(&self, found: &Instance) -> bool {
        let i = &self.instance;
        (&i.label, &i.caption, &i.obb) != (&found.label, &found.caption, &found.obb)
    }
}
