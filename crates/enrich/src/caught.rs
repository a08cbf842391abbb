//! What may panic, and should end nothing.

use std::{
    cell::Cell,
    ops::Deref,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::Once,
};

thread_local! {
    /// Whether this thread's panics are caught, and told by whoever catches them.
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic, and gives the panic's words; they are not printed.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let printing = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            if !CATCHING.get() {
                printing(panicked);
            }
        }));
    });
    let before = CATCHING.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    CATCHING.set(before);
    outcome.map_err(|words| {
        let text = words.downcast_ref::<String>().map(String::as_str).or_else(|| words.downcast_ref().copied());
        text.unwrap_or("no reason was given").to_owned()
    })
}

/// Something that may panic when it is dropped.
pub(crate) struct Closing<T>(Option<T>);

impl<T> Closing<T> {
    pub fn new(open: T) -> Self {
        Self(Some(open))
    }
}

impl<T> Deref for Closing<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("only drop takes it out")
    }
}

impl<T> Drop for Closing<T> {
    fn drop(&mut self) {
        let open = self.0.take();
        let _ = caught(|| drop(open));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stubborn;

    impl Drop for Stubborn {
        fn drop(&mut self) {
            std::hint::black_box(Err::<(), &str>("refused")).expect("closed");
        }
    }

    #[test]
    fn panics_become_words() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| panic!("at {}", 7)), Err::<(), _>("at 7".to_owned()));
        assert_eq!(caught(|| panic!("plainly")), Err::<(), _>("plainly".to_owned()));
        drop(Closing::new(Stubborn));
        assert!(!CATCHING.get());
    }
}
