//! Progress bars: drawn by indicatif, shown as lines of the screen.

use std::{
    io,
    sync::{Arc, Mutex},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// How often a bar is drawn anew in a second, at the most.
const RATE: u8 = 10;

/// Keeps what indicatif would draw.
#[derive(Clone, Debug)]
struct Canvas {
    drawn: Arc<Mutex<String>>,
    width: u16,
}

impl Canvas {
    fn add(&self, text: &str) {
        if let Ok(mut drawn) = self.drawn.lock() {
            drawn.push_str(text);
        }
    }

    fn take(&self) -> String {
        self.drawn
            .lock()
            .map(|mut drawn| std::mem::take(&mut *drawn))
            .unwrap_or_default()
    }
}

impl TermLike for Canvas {
    fn width(&self) -> u16 {
        self.width
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(text);
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(text);
        Ok(())
    }

    /// A bar that is drawn anew begins with this.
    fn clear_line(&self) -> io::Result<()> {
        self.take();
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A bar that tells how much of a file has passed.
pub(super) struct Bar {
    bar: ProgressBar,
    canvas: Canvas,
}

impl Bar {
    /// A bar for this many octets, on a terminal of so many columns.
    pub(super) fn new(total: Option<u64>, columns: usize) -> Self {
        let canvas = Canvas {
            drawn: Arc::default(),
            width: u16::try_from(columns).unwrap_or(80),
        };
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(canvas.clone()), RATE);
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match total {
            Some(_) => "{bar:24} {percent:>3} %  {bytes}/{total_bytes}  {bytes_per_sec}  {eta}",
            None => "{spinner} {bytes}  {bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Self { bar, canvas }
    }

    /// So many octets have passed. What is to be shown now, if something else than before.
    pub(super) fn position(&self, octets: u64) -> Option<String> {
        self.bar.set_position(octets);
        let drawn = self.canvas.take();
        let shown = drawn.trim_end();
        (!shown.is_empty()).then(|| shown.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_one_line() {
        let bar = Bar::new(Some(2048), 80);
        let shown = bar.position(1024).unwrap();
        assert!(
            shown.contains(" 50 %") && shown.contains("1.00 KiB/2.00 KiB"),
            "{shown:?}"
        );
        assert!(!shown.contains('\n') && !shown.contains('\x1b'), "{shown:?}");
        let unknown = Bar::new(None, 80).position(1024).unwrap();
        assert!(unknown.contains("1.00 KiB"), "{unknown:?}");
    }
}
