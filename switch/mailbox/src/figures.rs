//! What each room of the house counts, in a form that can be read out without knowing it: a struct
//! of plain numbers for those who count, and a list of named figures for those who publish.
//!
//! [`figures!`](crate::figures) makes both of one declaration, so that a new counter is one line.

use std::collections::BTreeMap;

/// One number, as it is published.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Figure {
    /// The name of its field.
    pub name: &'static str,
    /// What it says: the first sentence of its documentation, without the full stop.
    pub help: &'static str,
    /// Which of several numbers of that name it is. It never has anything in it that a peer chose.
    pub label: Option<&'static str>,
    /// Its value.
    pub value: u64,
}

/// Something with figures in it.
pub trait Figures {
    /// Tells every figure, those of one name one after the other.
    fn each(&self, tell: &mut dyn FnMut(Figure));
}

/// The value of one field: a number, or several that a label tells apart.
pub trait Value {
    /// Tells its figures.
    fn each(&self, name: &'static str, help: &'static str, tell: &mut dyn FnMut(Figure));
}

impl Value for u64 {
    fn each(&self, name: &'static str, help: &'static str, tell: &mut dyn FnMut(Figure)) {
        tell(Figure { name, help, label: None, value: *self });
    }
}

impl Value for BTreeMap<&'static str, u64> {
    fn each(&self, name: &'static str, help: &'static str, tell: &mut dyn FnMut(Figure)) {
        for (label, value) in self {
            tell(Figure { name, help, label: Some(label), value: *value });
        }
    }
}

/// The first sentence of a documentation comment, without its full stop and what it cites.
pub fn first_sentence(doc: &'static str) -> &'static str {
    let end = [". ", ".", " ("].into_iter().filter_map(|end| doc.find(end)).min();
    doc[..end.unwrap_or(doc.len())].trim()
}

/// Declares a struct of public figures: each a `u64`, a map by label, or another such struct, whose
/// fields then are the labels.
///
/// ```
/// mailbox::figures! {
///     /// What a door has counted.
///     #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
///     pub struct Door {
///         /// People who came in.
///         pub entered: u64,
///     }
/// }
/// let mut told = Vec::new();
/// mailbox::Figures::each(&Door { entered: 3 }, &mut |figure| told.push(figure));
/// assert_eq!((told[0].name, told[0].help, told[0].value), ("entered", "People who came in", 3));
/// ```
#[macro_export]
macro_rules! figures {
    (
        $(#[$meta:meta])*
        $visible:vis struct $name:ident {
            $($(#[doc = $doc:literal])+ pub $field:ident: $value:ty,)*
        }
    ) => {
        $(#[$meta])*
        $visible struct $name {
            $($(#[doc = $doc])+ pub $field: $value,)*
        }

        impl $crate::Figures for $name {
            fn each(&self, tell: &mut dyn FnMut($crate::Figure)) {
                $({
                    let help = $crate::first_sentence(concat!($($doc),+));
                    $crate::Value::each(&self.$field, stringify!($field), help, tell);
                })*
            }
        }

        impl $crate::Value for $name {
            fn each(
                &self,
                name: &'static str,
                help: &'static str,
                tell: &mut dyn FnMut($crate::Figure),
            ) {
                $crate::Figures::each(self, &mut |figure| {
                    tell($crate::Figure { name, help, label: Some(figure.name), ..figure });
                });
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Figure, Figures};

    figures! {
        /// By reason.
        #[derive(Default)]
        pub struct Refused {
            /// Too late.
            pub late: u64,
            /// Too many (LIM-04).
            pub many: u64,
        }
    }

    figures! {
        /// All of it.
        #[derive(Default)]
        pub struct Office {
            /// Letters that came. Those without a stamp
            /// are counted too.
            pub letters: u64,
            /// Visitors refused, by why.
            pub refused: Refused,
            /// Calls made, by where to.
            pub calls: BTreeMap<&'static str, u64>,
        }
    }

    #[test]
    fn every_field_is_told_with_what_its_documentation_says() {
        let office = Office {
            letters: 5,
            refused: Refused { late: 1, many: 2 },
            calls: BTreeMap::from([("home", 7)]),
        };
        let mut told = Vec::new();
        office.each(&mut |Figure { name, help, label, value }| {
            told.push((name, help, label, value));
        });
        let refused = "Visitors refused, by why";
        assert_eq!(
            told,
            [
                ("letters", "Letters that came", None, 5),
                ("refused", refused, Some("late"), 1),
                ("refused", refused, Some("many"), 2),
                ("calls", "Calls made, by where to", Some("home"), 7),
            ]
        );
    }
}
