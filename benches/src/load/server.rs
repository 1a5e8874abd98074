//! What a run costs the process under test, from `/proc`.

use std::{fs, io};

use super::LoadError;

/// The process under test and everything that it has started, such as Kamailio's workers.
#[derive(Clone, Debug)]
pub struct Server {
    pid: u32,
    ticks_per_second: f64,
}

/// What a server has used up to now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time of all threads, in seconds.
    pub cpu: f64,
    /// Resident memory, in octets.
    pub resident: u64,
}

impl Server {
    /// The server of this process id.
    ///
    /// # Errors
    /// [`LoadError::Server`] where there is none.
    pub fn new(pid: u32) -> Result<Self, LoadError> {
        let server = Self {
            pid,
            ticks_per_second: rustix::param::clock_ticks_per_second() as f64,
        };
        server.usage().map(|_| server)
    }

    /// The process and its descendants, as they are now.
    fn pids(&self) -> Result<Vec<u32>, LoadError> {
        let mut pids = vec![self.pid];
        let mut next = 0;
        while let Some(&parent) = pids.get(next) {
            pids.extend(self.unless_ended(parent, children(parent))?.unwrap_or_default());
            next += 1;
        }
        Ok(pids)
    }

    /// What was read of one of the processes; none of a descendant that has ended meanwhile.
    fn unless_ended<T>(&self, pid: u32, read: io::Result<T>) -> Result<Option<T>, LoadError> {
        match read {
            Ok(found) => Ok(Some(found)),
            Err(_) if pid != self.pid => Ok(None),
            Err(error) => Err(LoadError::Server(self.pid, error)),
        }
    }

    /// What it has used up to now.
    ///
    /// # Errors
    /// [`LoadError::Server`] where it has ended.
    pub fn usage(&self) -> Result<Usage, LoadError> {
        let mut usage = Usage::default();
        for pid in self.pids()? {
            let read = |what| fs::read_to_string(format!("/proc/{pid}/{what}"));
            let (Some(stat), Some(status)) = (
                self.unless_ended(pid, read("stat"))?,
                self.unless_ended(pid, read("status"))?,
            ) else {
                continue;
            };
            let ticks = ticks(&stat).ok_or_else(|| LoadError::Server(self.pid, unreadable("stat")))?;
            usage.cpu += ticks as f64 / self.ticks_per_second;
            usage.resident += kib(&status, "VmRSS:").unwrap_or(0) * 1024;
        }
        Ok(usage)
    }

    /// Forgets the peak of resident memory.
    pub fn reset_peak(&self) {
        for pid in self.pids().unwrap_or_default() {
            // Without the right to do so the peak since the start is told, which is no less.
            let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
    }

    /// The peak of resident memory since [`reset_peak`](Self::reset_peak), in octets.
    ///
    /// # Errors
    /// [`LoadError::Server`] where it has ended.
    pub fn peak(&self) -> Result<u64, LoadError> {
        let mut peak = 0;
        for pid in self.pids()? {
            let status = fs::read_to_string(format!("/proc/{pid}/status"));
            let status = self.unless_ended(pid, status)?.unwrap_or_default();
            peak += kib(&status, "VmHWM:").unwrap_or(0) * 1024;
        }
        Ok(peak)
    }
}

fn unreadable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("cannot read its {what}"))
}

fn children(pid: u32) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let list = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        found.extend(list.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    Ok(found)
}

/// User and system ticks of a `stat` line. The name before them may contain anything, but ends with the last bracket.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.get(name.len()..)?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_behind_the_name_whatever_it_is() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20 0 1 0 5";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(kib("VmHWM:\t  12 kB\nVmRSS:\t  10 kB\n", "VmRSS:"), Some(10));
    }

    #[test]
    fn this_process_uses_memory() {
        let server = Server::new(std::process::id()).unwrap();
        let usage = server.usage().unwrap();
        assert!(usage.resident > 100_000);
        assert!(server.peak().unwrap() >= usage.resident / 2);
        assert!(matches!(
            Server::new(u32::MAX),
            Err(LoadError::Server(u32::MAX, _))
        ));
    }
}
