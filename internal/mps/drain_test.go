package mps_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/mps/mpsfake"
)

// foreign starts a daemon as somebody else would, and gives what is found of it.
func foreign(t *testing.T, ds *mps.Daemons, env map[string]string) mps.Found {
	t.Helper()
	c := mps.Control{Path: program}
	dir := t.TempDir()
	lines := []string{mps.PipeVariable + "=" + dir, mps.LogVariable + "=" + dir}
	for name, value := range env {
		lines = append(lines, name+"="+value)
	}
	if err := c.Start(t.Context(), lines, os.Geteuid()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { quitAt(t, dir) })
	for _, command := range []string{"set_default_active_thread_percentage 30", "set_default_device_pinned_mem_limit 0 9G"} {
		waitUntil(t, func() bool { _, err := c.Ask(t.Context(), dir, command); return err == nil })
	}
	return foundAt(t, ds, dir)
}

func foundAt(t *testing.T, ds *mps.Daemons, pipe string) mps.Found {
	t.Helper()
	all, err := ds.Daemons(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(f mps.Found) bool { return f.Pipe == pipe })
	if i < 0 {
		t.Fatalf("no daemon at %s among %v", pipe, all)
	}
	return all[i]
}

func withResolve(dir string) mps.Options {
	o := options(dir)
	o.Resolve = func(name string, env map[string]string) (string, error) {
		if name == "0" && env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID" {
			return gpuA, nil
		}
		return "", errors.New("no such GPU")
	}
	return o
}

// TestForeignDaemon finds another's daemon, drains it and starts it again as it
// was, through a journal.
func TestForeignDaemon(t *testing.T) {
	ds := mps.New(mps.Control{Path: program}, withResolve(shortDir(t)))
	env := map[string]string{"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_MPS_CLIENT_PRIORITY": "1", "HOME": "/home/other"}
	before := foreign(t, ds, env)
	want := map[string]string{"default_active_thread_percentage": "30.0", "default_device_pinned_mem_limit 0": "9G"}
	if before.Ours || before.All || before.Unknown != "" || !slices.Equal(before.Devices, []string{gpuA}) || !maps.Equal(before.Settings, want) {
		t.Fatalf("found %+v, want another's on %s with %v", before, gpuA, want)
	}
	if _, err := ds.Start(t.Context(), limited(gpuA)); err == nil {
		t.Error("a second daemon on its device was started")
	}
	conn := connect(t, before.Pipe, mpsfake.Client{PID: 11, UID: os.Geteuid()})
	if _, ok := errors.AsType[*mps.ClientsError](ds.Drain(t.Context(), before)); !ok {
		t.Error("it was drained with a client")
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, func() bool { return len(foundAt(t, ds, before.Pipe).Clients) == 0 })
	text, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	var read mps.Found
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is done already
		if err := ds.Drain(t.Context(), read); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := ds.Restart(t.Context(), read, gpuA); err != nil {
			t.Fatal(err)
		}
	}
	after := foundAt(t, ds, before.Pipe)
	if after.PID == before.PID {
		t.Error("it did not end")
	}
	after.PID, after.Started, after.Args = before.PID, before.Started, before.Args
	if !reflect.DeepEqual(after, before) {
		t.Errorf("started again as\n%+v, was\n%+v", after, before)
	}
}

// TestRestartOnNewDevice: a device that was made anew has a new UUID.
func TestRestartOnNewDevice(t *testing.T) {
	ds := mps.New(mps.Control{Path: program}, options(shortDir(t)))
	before := foreign(t, ds, map[string]string{"CUDA_VISIBLE_DEVICES": migC})
	if err := ds.Drain(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(before.Pipe); err != nil { // and its folder went missing
		t.Fatal(err)
	}
	if err := ds.Restart(t.Context(), before, gpuB); err == nil || !strings.Contains(err.Error(), before.Pipe+" is gone; its user") {
		t.Errorf("a restart whose folder is gone: %v", err)
	}
	if _, err := os.Lstat(before.Pipe); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the folder was made: %v", err)
	}
	if err := os.Mkdir(before.Pipe, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := ds.Restart(t.Context(), before, gpuB); err != nil {
		t.Fatal(err)
	}
	if after := foundAt(t, ds, before.Pipe); !slices.Equal(after.Devices, []string{gpuB}) || after.Env["CUDA_VISIBLE_DEVICES"] != gpuB {
		t.Errorf("it serves %v", after.Devices)
	}
	if err := ds.Restart(t.Context(), before, migC); err == nil || !strings.Contains(err.Error(), "is taken") {
		t.Errorf("a restart at a folder that another uses: %v", err)
	}
}

// TestNotDrained: what could not be started again, or may have clients, is left.
func TestNotDrained(t *testing.T) {
	ds := mps.New(mps.Control{Path: program}, options(shortDir(t)))
	f := foreign(t, ds, map[string]string{"CUDA_VISIBLE_DEVICES": "0"})
	if f.Unknown == "" || !f.Serves(gpuB) {
		t.Errorf("an index that nothing resolves: %+v, want unknown devices", f)
	}
	for name, change := range map[string]func(*mps.Found){
		"one of ours":       func(f *mps.Found) { f.Ours = true },
		"environment":       func(f *mps.Found) { f.Env = nil },
		"its own service":   func(f *mps.Found) { f.Args = []string{"-f"} },
		"cannot be told":    func(f *mps.Found) { f.Pipe = filepath.Join(t.TempDir(), "gone") },
		"folder is not kno": func(f *mps.Found) { f.Pipe = "" },
	} {
		odd := f
		change(&odd)
		o := options(shortDir(t))
		o.End = 1e8 // how long one that does not listen may take to end
		if err := mps.New(mps.Control{Path: program}, o).Drain(t.Context(), odd); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (mps.Control{Path: program}).Ask(t.Context(), f.Pipe, "get_server_list"); err != nil {
		t.Errorf("it was ended: %v", err)
	}
}

// TestServedUser runs a daemon for another user, where we may.
func TestServedUser(t *testing.T) {
	const nobody = 65534
	dir := shortDir(t)
	o := options(dir)
	o.UID = nobody
	if os.Geteuid() != 0 {
		_, err := mps.New(mps.Control{Path: program}, o).Start(t.Context(), limited(gpuA))
		if err == nil || !strings.Contains(err.Error(), "run as root or as that user") {
			t.Errorf("a daemon of another user, started by user %d: %v", os.Geteuid(), err)
		}
		return
	}
	c := mps.Control{Path: reachable(t)}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := mps.New(c, o).Start(t.Context(), limited(gpuA)); err == nil || !strings.Contains(err.Error(), "cannot pass folder") {
		t.Errorf("a folder that the user cannot pass: %v", err)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	ds := mps.New(c, o)
	env, err := ds.Start(t.Context(), limited(gpuA))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ds.Stop(context.Background(), gpuA); err != nil {
			t.Error(err)
		}
	})
	found, err := c.Find(t.Context())
	if err != nil || len(found) != 1 || found[0].UID != nobody {
		t.Errorf("found %+v, %v; want one of user %d", found, err, nobody)
	}
	reaches(t, c.Path, env[mps.PipeVariable], nobody, true)
	reaches(t, c.Path, env[mps.PipeVariable], nobody-1, false)
	connect(t, env[mps.PipeVariable], mpsfake.Client{PID: 11, UID: nobody})
	if _, err := mpsfake.Connect(t.Context(), env[mps.PipeVariable], mpsfake.Client{PID: 12, UID: 0}); !errors.Is(err, mpsfake.ErrWrongUser) {
		t.Errorf("a client of another user: %v", err)
	}
	_, err = mps.New(c, options(dir)).Start(t.Context(), limited(gpuA))
	if busy, ok := errors.AsType[*mps.BusyError](err); !ok || busy.Daemon.UID != nobody || !strings.Contains(err.Error(), "would wait") {
		t.Errorf("a second user's daemon on the device: %v", err)
	}
}

// reaches checks whether a process of a user reaches a daemon.
func reaches(t *testing.T, path, pipe string, uid uint32, want bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path)
	cmd.Env, cmd.Dir, cmd.Stdin = []string{mps.PipeVariable + "=" + pipe}, "/", strings.NewReader("get_server_list\n")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	if said, err := cmd.CombinedOutput(); (err == nil) != want {
		t.Errorf("user %d asks: %v, %q; want it to reach %v", uid, err, said, want)
	}
}

// reachable is the simulated program at a place where every user can run it.
func reachable(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(shortDir(t))
	copied := filepath.Join(dir, "evabench")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(copied, content, 0o755), os.Chmod(copied, 0o755)); err != nil {
		t.Fatal(err)
	}
	path, err := mpsfake.Install(dir, copied)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
