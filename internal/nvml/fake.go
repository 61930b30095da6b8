package nvml

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"
)

// A Fake is an [API] over simulated cards that live in a file. It refuses what
// a card refuses: instances with MIG off, at a place that the profile does not
// allow or that is taken, beyond the profile's number, or beside one that took
// all media engines; a removal or a mode change with something inside.
//
// Every call tells of the file as it stands; one that changes anything replaces it, under a
// lock, so that several processes share the cards and a crash leaves them as
// the last call did. MIG UUIDs are new at each creation. A process that has
// ended is forgotten, as a driver forgets it.
//
// The cards are those of the table that [CardNames] names. What of their
// profiles was never recorded from hardware stands in [Device].Assumed. Invented
// for all of them, within what a card can have, are the PCI bus id, the minor
// number (the index), persistence and ECC (both on) and the power limit (300 W);
// the texts of driver, library and VBIOS say that they are simulated. A compute instance that takes a
// part of its GPU instance has that share of its SMs, which on cards other than
// the Ampere ones is a guess.
//
// Note: processes are real. A simulated server is one process however many
// instances of services it plays, and has one row on each device with their
// memory together; made-up pids would name somebody else's processes, and would
// not be forgotten when it dies.
type Fake struct {
	path  string
	alive func(pid int) bool

	// The file as it was when it was last looked at; see refresh.
	mu   sync.Mutex
	held *os.File // nil before that; closed when f is collected
	info os.FileInfo
	last fakeFile
}

// fakeVersion is the version of the file's form.
const fakeVersion = 1

// fakeFile is the file of cards.
type fakeFile struct {
	Version int         `json:"version"`
	About   string      `json:"about"`
	Cards   []*fakeCard `json:"cards"`
}

// CreateFake writes a file of cards as a server has them after a boot: MIG off,
// nothing running. The models are names of [CardNames], one per GPU in the
// order of their indices. It refuses a path that exists.
func CreateFake(path string, models []string) (err error) {
	file := fakeFile{Version: fakeVersion, About: "Simulated GPUs of evabench. Memory of a whole GPU is nominal."}
	for i, model := range models {
		c, err := findCard(model)
		if err != nil {
			return err
		}
		file.Cards = append(file.Cards, &fakeCard{Model: c.GPU, Index: i, UUID: fakeUUID("GPU", model, i)})
	}
	if len(file.Cards) == 0 {
		return errors.New("create simulated GPUs: no model is named")
	}
	lock := flock.New(path + ".lock")
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("create simulated GPUs: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("create simulated GPUs: %s exists", path)
	}
	return writeFake(path, file)
}

// OpenFake gives the cards of a file that [CreateFake] wrote.
func OpenFake(path string) (*Fake, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open simulated GPUs: %w", err)
	}
	f := &Fake{path: path, alive: processAlive}
	if err := f.read(func([]*fakeCard) error { return nil }); err != nil {
		return nil, fmt.Errorf("open simulated GPUs: %w", err)
	}
	return f, nil
}

// read calls look with the cards.
func (f *Fake) read(look func([]*fakeCard) error) error {
	return f.locked(func(file fakeFile) error { return look(file.Cards) })
}

// look calls see with the cards, which it may neither change nor keep. It is read for
// what collectors ask ten times a second, and takes no lock between processes: the file is
// replaced in one step, so that it is as some call left it.
//
// Note: to lock and parse the file each time, 56 devices took 25 % of a core; to lock it and
// compare its text, 3 %.
func (f *Fake) look(see func([]*fakeCard) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refresh(); err != nil {
		return err
	}
	for _, c := range f.last.Cards {
		c.forget(f.alive)
	}
	return see(f.last.Cards)
}

// refresh reads the file if it is not the one that was read last. That one is kept open, so
// that no other can have its inode; time and size are for those who write into it by hand.
func (f *Fake) refresh() error {
	now, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if f.held != nil && os.SameFile(now, f.info) && now.Size() == f.info.Size() && now.ModTime().Equal(f.info.ModTime()) {
		return nil
	}
	if f.held != nil {
		_ = f.held.Close() // it was only read
		f.held = nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	if err := f.load(file); err != nil {
		return errors.Join(fmt.Errorf("read %s: %w", f.path, err), file.Close())
	}
	f.held = file
	return nil
}

// load parses an open file.
func (f *Fake) load(file *os.File) (err error) {
	if f.info, err = file.Stat(); err != nil {
		return err
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	f.last, err = parseFake(text, f.alive)
	return err
}

// change calls edit with the cards and stores them if it gives no error.
func (f *Fake) change(edit func([]*fakeCard) error) error {
	return f.locked(func(file fakeFile) error {
		if err := edit(file.Cards); err != nil {
			return err
		}
		return writeFake(f.path, file)
	})
}

// locked calls use with the file as it stands, alone among all processes.
func (f *Fake) locked(use func(fakeFile) error) (err error) {
	lock := flock.New(f.path + ".lock")
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("lock simulated GPUs: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	text, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	file, err := parseFake(text, f.alive)
	if err != nil {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	return use(file)
}

// parseFake reads a file of cards, and refuses one that no call could have left.
func parseFake(data []byte, alive func(pid int) bool) (file fakeFile, err error) {
	if err := json.Unmarshal(data, &file); err != nil {
		return file, err
	}
	if file.Version != fakeVersion {
		return file, fmt.Errorf("version %d, want %d", file.Version, fakeVersion)
	}
	for _, c := range file.Cards {
		if c == nil {
			return file, errors.New("a card is null")
		}
		if err := c.complete(alive); err != nil {
			return file, err
		}
	}
	return file, nil
}

// writeFake replaces the file in one step. The caller has its lock.
//
// Note: renameio.WriteFile, which also syncs, made most of a simulated layout
// change. These cards need not outlive the machine, only our processes.
func writeFake(path string, file fakeFile) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write simulated GPUs: %w", err)
		}
	}()
	data, err := json.MarshalIndent(file, "", " ")
	if err != nil {
		return err
	}
	// One name: whoever writes has the lock, and overwrites what a kill left.
	tmp, err := os.OpenFile(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = tmp.Write(append(data, '\n'))
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return os.Rename(tmp.Name(), path)
}

// fakeUUID makes a UUID that is the same for the same name and number.
func fakeUUID(prefix, name string, n int) string {
	h := sha256.Sum256(fmt.Appendf(nil, "evabench simulated %s %s %d", prefix, name, n))
	return fmt.Sprintf("%s-%x-%x-%x-%x-%x", prefix, h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
