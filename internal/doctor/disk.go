package doctor

import (
	"context"

	"github.com/evabench/evabench/internal/units"
)

// A Space is what a file system tells of itself.
type Space struct {
	FreeBytes  uint64 // that this user may fill
	TotalBytes uint64
	FreeFiles  uint64 // inodes; 0 of 0 where the file system has none to count
	TotalFiles uint64
	ReadOnly   bool
	Writable   bool // by this user
	// Path is the path, absolute, and Within the folder that exists, of it or above it.
	Path, Within string
}

// A run writes some 50 bytes a request, and pages and logs beside them: a gigabyte
// is a long sweep's.
const (
	noSpace     = 1 << 30
	littleSpace = 10 << 30
	fewFiles    = 10000
	smallSpace  = 16 << 20 // for journals and sockets
)

func disk(_ context.Context, m Machine) []Finding {
	var all []Finding
	for _, f := range m.Folders {
		all = append(all, m.folder(f))
	}
	return all
}

// folder tells of one of them.
func (m Machine) folder(f Folder) Finding {
	s, err := m.Space(f.Path)
	if err != nil {
		return unknown("%s in %s: %v", f.For, f.Path, err)
	}
	elsewhere := "df -h " + quoted(s.Within) + "   # what is free there"
	if f.Flag != "" {
		elsewhere += "; " + f.Flag + " names another folder"
	}
	free := units.Format(float64(s.FreeBytes), units.Bytes)
	least, little := uint64(noSpace), uint64(littleSpace)
	if !f.Much {
		least, little = smallSpace, smallSpace
	}
	switch {
	case s.ReadOnly:
		return fault(elsewhere, "%s go to %s, which is mounted read-only", f.For, f.Path)
	case !s.Writable:
		return fault(s.remedy(f), "%s go to %s, and this user may not write in %s", f.For, f.Path, s.Within)
	case s.FreeBytes < least:
		return fault(elsewhere, "%s go to %s, where %s are free", f.For, f.Path, free)
	case s.TotalFiles > 0 && s.FreeFiles < fewFiles:
		return fault("df -i "+quoted(s.Within)+"   # which file system has no inodes left", "%s go to %s, where only %d more files can be made", f.For, f.Path, s.FreeFiles)
	case s.FreeBytes < little:
		return warn(elsewhere, "%s go to %s, where %s are free: a long sweep may fill that", f.For, f.Path, free)
	}
	return ok("%s in %s: %s free", f.For, f.Path, free)
}

// stateFlag names the folder of what root alone writes.
const stateFlag = "--state-dir"

// remedy is what to do where this user may not write. A folder that exists is
// nobody's to give away: who owns /var/lib owns the machine.
func (s Space) remedy(f Folder) string {
	other := "run as root"
	if f.Flag != "" {
		other += ", or " + f.Flag + " names another folder"
	}
	switch {
	case f.Flag == stateFlag:
		return "sudo -E evabench …   # only root changes GPUs, and this folder is root's"
	case s.Path == s.Within:
		return "ls -ld " + quoted(s.Within) + "   # whose it is; " + other
	}
	return `sudo install -d -o "$USER" ` + quoted(s.Path) + "   # or " + other
}
