//! Enums whose every variant has a name.

/// Makes an enum of variants with their names: `ALL` of them, `as_str`, `Display`, and `from_name`.
macro_rules! named {
    ($(#[$meta:meta])* $vis:vis enum $Type:ident {$(
        $(#[$variant_meta:meta])* $variant:ident = $name:literal,
    )*}) => {
        $(#[$meta])*
        $vis enum $Type {
            $($(#[$variant_meta])* $variant,)*
        }

        #[allow(dead_code)]
        impl $Type {
            /// All of them.
            #[doc(hidden)]
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in scripts, on the command line and in reports.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The one of that name; `what` it is, for the sentence that refuses the others.
            pub(crate) fn from_name(what: &str, name: &str) -> std::result::Result<Self, String> {
                let names = [$($name),*];
                match names.iter().position(|one| *one == name) {
                    Some(place) => Ok(Self::ALL[place]),
                    None => Err(format!("unknown {what} '{name}': expected one of {}", names.join(", "))),
                }
            }
        }

        impl std::fmt::Display for $Type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(crate) use named;
