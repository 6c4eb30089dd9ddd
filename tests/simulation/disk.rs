//! Files of a process, and its death: a copy of them at the moment it dies is all that is left.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

thread_local! {
    static ARMED: RefCell<Option<Armed>> = const { RefCell::new(None) };
}

/// A process that is to die at the n-th kill point it passes.
#[derive(Clone, Debug)]
pub(crate) struct Armed {
    pub(crate) left: u32,
    pub(crate) files: PathBuf,
    pub(crate) image: PathBuf,
}

/// What unwinds out of a process that died.
struct Died;

/// Lets the products' kill points on this thread count down.
pub(crate) fn listen() {
    agent::failpoint::hook::set(Some(Rc::new(pass)));
    tlog::kill::hook::set(Some(Rc::new(pass)));
}

fn pass(_name: &'static str) {
    let dies = ARMED.with_borrow_mut(|armed| {
        let armed = armed.as_mut()?;
        armed.left = armed.left.saturating_sub(1);
        (armed.left == 0).then(|| armed.clone())
    });
    if let Some(armed) = dies {
        ARMED.set(None);
        copy(&armed.files, &armed.image);
        std::panic::resume_unwind(Box::new(Died));
    }
}

/// Lets a process work; nothing when it died on the way. Its files are then those of the moment of death.
pub(crate) fn alive<T>(armed: &mut Option<Armed>, work: impl FnOnce() -> T) -> Option<T> {
    ARMED.set(armed.take());
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    *armed = ARMED.take();
    match ended {
        Ok(value) => Some(value),
        Err(cause) if cause.is::<Died>() => None,
        Err(cause) => std::panic::resume_unwind(cause),
    }
}

/// Copies a folder. What SQLite shares between processes (`-shm`) dies with them.
pub(crate) fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if !entry.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Puts a copy in the place of a folder.
pub(crate) fn put_back(image: &Path, files: &Path) {
    std::fs::remove_dir_all(files).unwrap();
    std::fs::rename(image, files).unwrap();
}
