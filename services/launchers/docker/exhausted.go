package docker

import "github.com/evabench/evabench/internal/supervise"

// OutOfMemory counts the lines of the log that tell of memory that ran out, and
// the ends of the container for it, over all its starts.
func (s *service) OutOfMemory() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.past + outOfMemory(s.process)
}

// outOfMemory counts for one container. The supervisor sees the log and how the
// attached command ended; that the container was killed, the daemon tells.
func outOfMemory(p *supervise.Process) int64 {
	n := p.OutOfMemory()
	if e, ended := p.Exit(); ended && n == 0 {
		if st, err := stateOf(e); err == nil && st.OOMKilled {
			return 1
		}
	}
	return n
}
