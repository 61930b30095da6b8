package mps_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/mps/mpstest"
)

// unhurried is a program that has ended a daemon when it says so, however long that
// takes: a step's time is over only where the daemon does not heed it.
type unhurried struct{ mpstest.Faulty }

func (u *unhurried) Ask(ctx context.Context, pipe, command string) (string, error) {
	ctx = context.WithoutCancel(ctx)
	said, err := u.Faulty.Ask(ctx, pipe, command)
	if err == nil && strings.HasPrefix(command, "quit") {
		err = u.ended(ctx)
	}
	return said, err
}

func (u *unhurried) Find(ctx context.Context) ([]mps.Process, error) {
	return u.Faulty.Find(context.WithoutCancel(ctx))
}

func (u *unhurried) Signal(ctx context.Context, p mps.Process, signal syscall.Signal) error {
	ctx = context.WithoutCancel(ctx)
	if err := u.Faulty.Signal(ctx, p, signal); err != nil {
		return err
	}
	return u.ended(ctx)
}

// ended waits until there is no daemon; the test's time limit ends it if never.
func (u *unhurried) ended(ctx context.Context) error {
	for {
		if left, err := u.Find(ctx); err != nil || len(left) == 0 {
			return err
		}
	}
}

// deafTo loses some commands, each time.
type deafTo struct {
	unhurried
	words []string
}

func (d *deafTo) Ask(ctx context.Context, pipe, command string) (string, error) {
	if slices.Contains(d.words, command) {
		return "", nil
	}
	return d.unhurried.Ask(ctx, pipe, command)
}

func (d *deafTo) Signal(ctx context.Context, p mps.Process, signal syscall.Signal) error {
	if slices.Contains(d.words, "signal") {
		return nil
	}
	return d.unhurried.Signal(ctx, p, signal)
}

// A stub shows processes, and answers by a table.
type stub struct {
	processes []mps.Process
	answers   map[string]string
	started   int
}

func (s *stub) Start(context.Context, []string, int) error { s.started++; return nil }
func (s *stub) Find(context.Context) ([]mps.Process, error) {
	return s.processes, nil
}
func (s *stub) Ask(_ context.Context, _, command string) (string, error) {
	said, ok := s.answers[command]
	if !ok {
		return "", errors.New("no answer")
	}
	return said, nil
}

// TestBusyDevice: a device that may have a daemon gets no second one.
func TestBusyDevice(t *testing.T) {
	for _, c := range []struct {
		name string
		uid  int
		env  map[string]string
		want string // in the refusal; empty is none
	}{
		{"same device", os.Geteuid(), map[string]string{"CUDA_VISIBLE_DEVICES": gpuA}, "two would take clients"},
		{"another user", os.Geteuid() + 1, map[string]string{"CUDA_VISIBLE_DEVICES": gpuA}, "would wait behind those of user"},
		{"one of two", os.Geteuid(), map[string]string{"CUDA_VISIBLE_DEVICES": gpuB + "," + gpuA}, gpuB},
		{"every GPU", os.Geteuid(), map[string]string{}, "every GPU"},
		{"unreadable", os.Geteuid(), nil, "may not be read"},
		{"index 0", os.Geteuid(), map[string]string{"CUDA_VISIBLE_DEVICES": "0"}, gpuA},
		{"index 7", os.Geteuid(), map[string]string{"CUDA_VISIBLE_DEVICES": "7"}, "no GPU 7"},
		{"index 1", os.Geteuid(), map[string]string{"CUDA_VISIBLE_DEVICES": "1"}, ""},
		{"after none", os.Geteuid(), map[string]string{"CUDA_VISIBLE_DEVICES": "-1,0"}, ""},
		{"no device", os.Geteuid(), map[string]string{"CUDA_VISIBLE_DEVICES": ""}, ""},
		{"another device", os.Geteuid(), map[string]string{"CUDA_VISIBLE_DEVICES": migC}, ""},
	} {
		s := &stub{processes: []mps.Process{{PID: 4711, UID: c.uid, Env: c.env}}}
		o := quick(shortDir(t))
		o.Ready, o.End = 1, 1
		o.Resolve = func(name string, _ map[string]string) (string, error) {
			if uuid, ok := map[string]string{"0": gpuA, "1": gpuB}[name]; ok {
				return uuid, nil
			}
			return "", errors.New("no GPU " + name)
		}
		_, err := mps.New(s, o).Start(t.Context(), limited(gpuA)) // the stub never answers
		_, busy := errors.AsType[*mps.BusyError](err)
		if busy != (c.want != "") || busy == (s.started > 0) || busy && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "4711")) {
			t.Errorf("%s: %v, started %d times; want %q", c.name, err, s.started, c.want)
		}
	}
}

// TestUnknownAnswers: an answer that is not understood is an error, and not "no
// clients" or a limit that is set.
func TestUnknownAnswers(t *testing.T) {
	dir := shortDir(t)
	for _, said := range []string{"Server list:", "12 13", "-3", "0", "12\nFailed", "0x10", "+4"} {
		s := &stub{answers: map[string]string{"get_server_list": said}}
		ds := mps.New(s, quick(dir))
		if pids, err := ds.Clients(t.Context(), gpuA); err == nil {
			t.Errorf("server list %q: clients %v", said, pids)
		}
		s.answers = map[string]string{"get_server_list": "99", "get_client_list 99": said}
		pids, err := ds.Clients(t.Context(), gpuA)
		if err == nil {
			t.Errorf("client list %q: clients %v", said, pids)
		}
	}
	s := &stub{answers: map[string]string{"get_server_list": "99\n98\n", "get_client_list 99": "5\n4", "get_client_list 98": ""}}
	if pids, err := mps.New(s, quick(dir)).Clients(t.Context(), gpuA); err != nil || !slices.Equal(pids, []int{4, 5}) {
		t.Errorf("clients %v, %v; want 4 and 5", pids, err)
	}
}

// TestReadBack: limits that do not read back as they were set fail the start.
func TestReadBack(t *testing.T) {
	for command, lies := range map[string][]string{
		"get_default_active_thread_percentage":  {"49.0", "NaN", "0", "100.0%"},
		"get_default_device_pinned_mem_limit 0": {"19G", "0", "19.9G", "20479M", "21474836481", "0: 2G", "99999999999999999999G"},
	} {
		for _, said := range lies {
			dir := shortDir(t)
			o := quick(dir)
			o.Ready = 1e9
			ds := mps.New(&liar{Faulty: mpstest.Faulty{Program: mps.Control{Path: program}}, command: command, said: said}, o)
			if _, err := ds.Start(t.Context(), limited(gpuA)); err == nil {
				t.Errorf("%s says %q: started", command, said)
				stopAfter(t, ds, gpuA)
			} else {
				clean(t, dir)
			}
		}
	}
}

// TestReadBackForms: a limit that was taken and reads back in another form, or in one
// that is not understood, is no fault; the latter is told.
func TestReadBackForms(t *testing.T) {
	const command = "get_default_device_pinned_mem_limit 0"
	for said, verified := range map[string]bool{
		"20G": true, "20GB": true, "20480M": true, "20480MB": true, "20971520K": true, "21474836480": true, "21474836480 bytes": true,
		"0: 20G": true, "0=20G": true, "Device 0 default pinned memory limit: 20 GiB": true, "20.0G": true,
		"": false, "20": false, "20480": false, "G": false, "20T": false, "20G\n20G": false,
	} {
		ds := mps.New(&liar{Faulty: mpstest.Faulty{Program: mps.Control{Path: program}}, command: command, said: said}, options(shortDir(t)))
		if _, err := ds.Start(t.Context(), limited(gpuA)); err != nil {
			t.Errorf("%q: %v", said, err)
			continue
		}
		warnings := ds.Warnings(gpuA)
		if verified != (len(warnings) == 0) || !verified && !strings.Contains(warnings[0], "20G was set and is not verified") {
			t.Errorf("%q: warnings %q, want it verified: %v", said, warnings, verified)
		}
		if err := ds.Stop(t.Context(), gpuA); err != nil || len(ds.Warnings(gpuA)) > 0 {
			t.Errorf("%q: stopped with %v, warnings %q", said, err, ds.Warnings(gpuA))
		}
	}
	odd := limited(gpuA)
	odd.Sharing.MemoryLimitBytes = 19500 << 20 // 19.04 GiB
	for said, verified := range map[string]bool{"19500M": true, "19G": false, "20G": false} {
		ds := mps.New(&liar{Faulty: mpstest.Faulty{Program: mps.Control{Path: program}}, command: command, said: said}, options(shortDir(t)))
		_, err := ds.Start(t.Context(), odd)
		if err != nil || verified != (len(ds.Warnings(gpuA)) == 0) {
			t.Errorf("%q for 19500M: %v, warnings %q; want it verified: %v", said, err, ds.Warnings(gpuA), verified)
		}
		stopAfter(t, ds, gpuA)
		if err := ds.Stop(t.Context(), gpuA); err != nil {
			t.Error(err)
		}
	}
}

// liar answers one question with its own words.
type liar struct {
	mpstest.Faulty
	command, said string
}

func (l *liar) Ask(ctx context.Context, pipe, command string) (string, error) {
	if command == l.command {
		return l.said, nil
	}
	return l.Faulty.Ask(ctx, pipe, command)
}
