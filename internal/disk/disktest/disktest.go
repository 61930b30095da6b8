// Package disktest is a disk that fails at a chosen operation, and what a loss of power
// leaves of it.
package disktest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/evabench/evabench/internal/disk"
)

// ErrCut is what all operations give once the process has ended, for the test.
var ErrCut = errors.New("the process has ended")

// A Fault is how an operation goes wrong.
type Fault string

// The faults, from the operation At on but where they say otherwise.
const (
	None Fault = "none"
	EIO  Fault = "EIO"    // that operation only
	Full Fault = "ENOSPC" // nothing is made and written any more; the first write is half done
	Read Fault = "EROFS"
	Cut  Fault = "cut"   // kill -9: what was done stays; a write is half done
	Dark Fault = "power" // loss of power: what was not synced is gone
)

// Faults lists them all but None.
func Faults() []Fault { return []Fault{EIO, Full, Read, Cut, Dark} }

// A Trial is a disk of which the operation At, counted from 0, goes wrong.
type Trial struct {
	At    int
	Fault Fault
	// Ops are the operations asked for, in words, up to the end of the process.
	Ops []string

	base string
	root *node
}

// New gives a Trial of what happens below the folder base, which stands for good.
func New(base string, at int, f Fault) *Trial {
	return &Trial{At: at, Fault: f, base: base, root: folder()}
}

// Disk is the disk of the trial.
func (t *Trial) Disk() *disk.Disk { return disk.Faulty(t.before) }

// Reached reports whether the operation was asked for.
func (t *Trial) Reached() bool { return len(t.Ops) > t.At }

func (t *Trial) before(op disk.Op) error {
	cut := t.Fault == Cut || t.Fault == Dark
	if cut && t.Reached() {
		return ErrCut
	}
	i := len(t.Ops)
	t.Ops = append(t.Ops, strings.TrimSpace(op.Kind+" "+strings.TrimPrefix(op.Path, t.base)+" "+strings.TrimPrefix(op.To, t.base)))
	err := t.fault(op, i)
	if short, ok := errors.AsType[*disk.Short](err); ok {
		op.Data = op.Data[:short.N]
		t.root.done(t.base, op)
	}
	if err == nil {
		t.root.done(t.base, op)
	}
	return err
}

func (t *Trial) fault(op disk.Op, i int) error {
	half := len(op.Data) / 2
	switch {
	case t.Fault == None || i < t.At:
	case t.Fault == EIO && i == t.At:
		return syscall.EIO
	case t.Fault == Full && op.Kind == disk.Write:
		return &disk.Short{N: half, Err: syscall.ENOSPC}
	case t.Fault == Full && (op.Kind == disk.Create || op.Kind == disk.Mkdir):
		return syscall.ENOSPC
	case t.Fault == Read:
		return syscall.EROFS
	case t.Fault == Cut && op.Kind == disk.Write:
		return &disk.Short{N: half, Err: ErrCut}
	case t.Fault == Cut || t.Fault == Dark:
		return ErrCut
	}
	return nil
}

// Left gives the folder with what is there when somebody looks again: base, or after
// a loss of power one made in the folder into.
func (t *Trial) Left(into string) (string, error) {
	if t.Fault != Dark {
		return t.base, nil
	}
	return into, t.root.write(into)
}

// A node is a file or folder: as it is, and as a loss of power leaves it.
type node struct {
	dir          bool
	live, kept   map[string]*node
	data, synced []byte
}

func folder() *node { return &node{dir: true, live: map[string]*node{}, kept: map[string]*node{}} }

// done carries an operation out.
func (n *node) done(base string, op disk.Op) {
	if op.Kind == disk.SyncDir {
		d := n.find(base, op.Path)
		d.kept = maps.Clone(d.live)
		return
	}
	parent, name := n.find(base, filepath.Dir(op.Path)), filepath.Base(op.Path)
	switch op.Kind {
	case disk.Mkdir:
		parent.live[name] = folder()
	case disk.Create:
		parent.live[name] = &node{}
	case disk.Open:
		if parent.live[name] == nil {
			parent.live[name] = &node{}
		}
	case disk.Write:
		f := parent.live[name]
		f.data = append(slices.Clip(f.data), op.Data...)
	case disk.Sync:
		f := parent.live[name]
		f.synced = slices.Clone(f.data)
	case disk.Rename:
		moved := parent.live[name]
		delete(parent.live, name)
		n.find(base, filepath.Dir(op.To)).live[filepath.Base(op.To)] = moved
	case disk.Remove:
		delete(parent.live, name)
	}
}

// find gives the folder of a path below base.
func (n *node) find(base, path string) *node {
	rel, err := filepath.Rel(base, path)
	if err != nil || strings.HasPrefix(rel, "..") {
		panic(fmt.Sprintf("disktest: %s is not below %s", path, base))
	}
	if rel == "." {
		return n
	}
	for _, name := range strings.Split(rel, "/") {
		if n.live[name] == nil {
			panic(fmt.Sprintf("disktest: %s was never made", path))
		}
		n = n.live[name]
	}
	return n
}

// write writes what was kept.
func (n *node) write(path string) error {
	if !n.dir {
		return os.WriteFile(path, n.synced, 0o600)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	for name, child := range n.kept {
		if err := child.write(filepath.Join(path, name)); err != nil {
			return err
		}
	}
	return nil
}
