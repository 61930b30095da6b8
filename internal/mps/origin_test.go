package mps_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/mps/mpsfake"
	"github.com/evabench/evabench/internal/mps/mpstest"
)

// TestElsewhere: paths are ours in our namespaces alone, and what cannot be read is
// not ours.
func TestElsewhere(t *testing.T) {
	ours := []string{"mnt:[1]", "user:[2]"}
	for _, c := range []struct {
		ours, theirs []string
		want         string
	}{
		{ours, []string{"mnt:[1]", "user:[2]"}, ""},
		{ours, []string{"mnt:[3]", "user:[2]"}, "stop it there"},
		{ours, []string{"mnt:[1]", "user:[3]"}, "stop it there"},
		{ours, []string{"", "user:[2]"}, "cannot be read"},
		{ours, []string{"mnt:[1]", ""}, "cannot be read"},
		{[]string{"", ""}, []string{"", ""}, "cannot be read"},
	} {
		if got := mps.Elsewhere(c.ours, c.theirs); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%q and %q: %q, want %q", c.ours, c.theirs, got, c.want)
		}
	}
}

func TestUnit(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for groups, want := range map[string]string{
		"": "", "0::/": "", "junk": "", "0::/user.slice/user-1000.slice/session-4.scope": "",
		"0::/system.slice/nvidia-mps.service":                                                 "nvidia-mps.service",
		"0::/../../system.slice/nvidia-mps@0.service/main":                                    "nvidia-mps@0.service",
		"12:pids:/\n1:name=systemd:/system.slice/nvidia-mps.service\n0::/":                    "nvidia-mps.service",
		"0::/system.slice/run-r12.scope":                                                      "",
		"0::/system.slice/run-u12.service":                                                    "run-u12.service",
		"0::/system.slice/slurmstepd.scope/job_7/step_0":                                      "slurmstepd.scope",
		"0::/system.slice/ssh.service":                                                        "",
		"0::/system.slice/system-ssh.slice/ssh@1.service":                                     "",
		"0::/system.slice/cron.service":                                                       "",
		"0::/init.scope":                                                                      "",
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-term-7.scope":         "",
		"0::/user.slice/user-1000.slice/user@1000.service/init.scope":                         "",
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/mps.service":              "--user mps.service",
		"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope": "container libpod-" + id + ".scope",
		"0::/system.slice/docker-" + id + ".scope":                                            "container docker-" + id + ".scope",
		"4:memory:/docker/" + id:                                                              "container " + id,
		"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope":              "container cri-containerd-" + id + ".scope",
		"0::/kubepods/besteffort/pod1/" + id:                                                  "container " + id,
	} {
		if got := mps.UnitOf(groups); got != want {
			t.Errorf("%s: %q, want %q", groups, got, want)
		}
	}
}

// TestEndsWith: what is started again in the place of a daemon ends with our unit, but
// where the daemon did so before, or where we have none.
func TestEndsWith(t *testing.T) {
	for _, c := range []struct{ own, unit, want string }{
		{"", "", ""},
		{"", "mps.service", ""},
		{"night.service", "", "night.service"},
		{"night.service", "mps.service", "night.service"},
		{"mps.service", "mps.service", ""},
	} {
		if got := mps.EndsIn(c.own, c.unit); got != c.want {
			t.Errorf("in %q, of %q: %q, want %q", c.own, c.unit, got, c.want)
		}
	}
}

// TestUnitOfOurs: nobody else keeps a daemon that belongs to what we belong to.
func TestUnitOfOurs(t *testing.T) {
	f := mps.Found{Process: mps.Process{Unit: "container docker-1.scope", UnitOurs: true}}
	if got := f.Keeper(); got != "" {
		t.Errorf("Keeper() = %q, want none", got)
	}
}

// TestKept: a daemon that somebody else keeps is refused by name and at most read, and
// one elsewhere not even that.
func TestKept(t *testing.T) {
	for _, c := range []struct {
		change func(*mps.Process)
		want   string
	}{
		{func(p *mps.Process) { p.Unit = "nvidia-mps.service" }, "systemctl stop nvidia-mps.service"},
		{func(p *mps.Process) { p.Unit = "--user mps.service" }, "systemctl stop --user mps.service"},
		{func(p *mps.Process) { p.Unit = "container docker-1.scope" }, "container docker-1.scope; stop it there"},
		{func(p *mps.Process) { p.Elsewhere = "it runs in a container; stop it there" }, "stop it there"},
	} {
		p := mps.Process{PID: 4711, Args: []string{"-f"}, Env: map[string]string{mps.DeviceVariable: gpuA, mps.PipeVariable: t.TempDir()}}
		c.change(&p)
		none := &mpstest.Faulty{Program: &stub{processes: []mps.Process{p}}}
		ds := mps.New(none, quick(shortDir(t)))
		all, err := ds.Daemons(t.Context())
		if err != nil || len(all) != 1 || !slices.Equal(all[0].Devices, []string{gpuA}) {
			t.Fatal(all, err)
		}
		noted := all[0]
		noted.Elsewhere, noted.Unit, noted.Args = "", "", nil // as one that was written down before
		for what, err := range map[string]error{"drain": ds.Drain(t.Context(), all[0]), "drain what was noted": ds.Drain(t.Context(), noted), "start": second(ds.Start(t.Context(), limited(gpuA)))} {
			if _, busy := errors.AsType[*mps.BusyError](err); !busy || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "4711") {
				t.Errorf("%s: %v, want %q", what, err, c.want)
			}
		}
		if commands := none.Commands(); slices.ContainsFunc(commands, func(command string) bool {
			return command != "find" && (p.Elsewhere != "" || !strings.HasPrefix(command, "get_"))
		}) {
			t.Errorf("%s: it was asked %q", c.want, commands)
		}
	}
}

// TestIndexElsewhere: an index counts what is seen there, and none of our paths is
// used.
func TestIndexElsewhere(t *testing.T) {
	dir := shortDir(t)
	s := &stub{processes: []mps.Process{{PID: 4711, Elsewhere: "it runs in a container", Env: map[string]string{mps.DeviceVariable: "0", mps.PipeVariable: dir + "/x/pipe"}}}}
	o := quick(dir)
	o.Resolve = func(string, map[string]string) (string, error) { return gpuA, nil }
	all, err := mps.New(s, o).Daemons(t.Context())
	if err != nil || len(all) != 1 || all[0].Ours || !strings.Contains(all[0].Unknown, "container") || !strings.Contains(all[0].Silent, "container") {
		t.Errorf("found %+v, %v; want one that is not ours, with unknown devices and clients", all, err)
	}
}

// TestAnotherListens: a daemon is asked and drained only if it is the one that keeps
// the pipe folder.
func TestAnotherListens(t *testing.T) {
	o := options(shortDir(t))
	o.End = time.Second
	ds := mps.New(mps.Control{Path: program}, o)
	f := foreign(t, ds, map[string]string{mps.DeviceVariable: gpuA})
	path := filepath.Join(f.Pipe, mps.Name+".pid")
	for text, want := range map[string]string{
		fmt.Sprint(f.PID + 1): "another process listens there", "": "cannot be told", "x": "cannot be told",
		"link": "cannot be told", "pipe": "cannot be told", "gone": "cannot be told",
	} {
		err := os.Remove(path)
		switch text {
		case "gone":
		case "link":
			err = errors.Join(err, os.WriteFile(path+"2", []byte(fmt.Sprint(f.PID)), 0o644), os.Symlink(path+"2", path))
		case "pipe":
			err = errors.Join(err, syscall.Mkfifo(path, 0o600))
		default:
			err = errors.Join(err, os.WriteFile(path, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := ds.Drain(t.Context(), f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("pid file %q: drain: %v, want %q", text, err, want)
		}
		if silent := foundAt(t, ds, f.Pipe).Silent; !strings.Contains(silent, want) {
			t.Errorf("pid file %q: silent %q, want %q", text, silent, want)
		}
		if text == "gone" {
			err = os.WriteFile(path, nil, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := (mps.Control{Path: program}).Ask(t.Context(), f.Pipe, "get_server_list"); err != nil {
		t.Errorf("it was ended: %v", err)
	}
}

// TestSamePathInContainer: of two daemons with one pipe path, the one of another mount
// namespace is left, and so is the one that our path leads to. Where a test may make
// no namespace, TestElsewhere and TestKept hold for its decision.
func TestSamePathInContainer(t *testing.T) {
	if err := exec.CommandContext(t.Context(), "unshare", "-m", "true").Run(); err != nil {
		t.Logf("no mount namespace here: %v", err)
		return
	}
	ds := mps.New(mps.Control{Path: program}, options(shortDir(t)))
	host := foreign(t, ds, map[string]string{mps.DeviceVariable: gpuA})
	inside := exec.CommandContext(t.Context(), "unshare", "-m", "--propagation", "private", "sh", "-c", `mount -t tmpfs none "$1" && exec "$0" -d`, program, host.Pipe)
	inside.Env = []string{"PATH=" + os.Getenv("PATH"), mps.PipeVariable + "=" + host.Pipe, mps.LogVariable + "=" + host.Pipe, mps.DeviceVariable + "=" + gpuB}
	if said, err := inside.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	all, err := ds.Daemons(t.Context())
	i := slices.IndexFunc(all, func(f mps.Found) bool { return f.Elsewhere != "" })
	if err != nil || len(all) != 2 || i < 0 {
		t.Fatalf("found %+v, %v; want two, one of them elsewhere", all, err)
	}
	other := all[i]
	t.Cleanup(func() {
		if err := syscall.Kill(other.PID, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		waitGone(t, other.PID)
	})
	if other.Silent == "" || other.Ours || !slices.Equal(other.Devices, []string{gpuB}) {
		t.Errorf("found %+v, want it silent and on %s", other, gpuB)
	}
	if err := ds.Drain(t.Context(), other); err == nil || !strings.Contains(err.Error(), "mount namespace; stop it there") {
		t.Errorf("drain of the one elsewhere: %v", err)
	}
	if err := (mps.Control{Path: program}).Signal(t.Context(), other.Process, syscall.SIGTERM); err == nil {
		t.Error("a signal to the one elsewhere was sent")
	}
	if after := foundAt(t, ds, host.Pipe); len(after.Devices) != 1 || after.Silent != "" && after.PID == host.PID {
		t.Errorf("our path's: %+v", after)
	}
	if _, err := (mps.Control{Path: program}).Ask(t.Context(), host.Pipe, "get_server_list"); err != nil {
		t.Errorf("the daemon of our path was ended: %v", err)
	}
	if err := ds.Drain(t.Context(), host); err != nil {
		t.Errorf("drain of the one of our path: %v", err)
	}
}

// waitGone waits until a daemon's process has ended.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	for {
		found, err := mps.Control{Path: program}.Find(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(found, func(p mps.Process) bool { return p.PID == pid }) {
			return
		}
	}
}

// TestCredential: a daemon of another user has all that user's groups.
func TestCredential(t *testing.T) {
	lookup := func(uid string) (*user.User, error) {
		if uid != "1000" {
			return nil, user.UnknownUserIdError(1)
		}
		return &user.User{Uid: uid, Gid: "100"}, nil
	}
	groups := func(*user.User) ([]string, error) { return []string{"100", "44", "992"}, nil }
	if c := mps.Credential(1000, lookup, groups); c.Uid != 1000 || c.Gid != 100 || !slices.Equal(c.Groups, []uint32{100, 44, 992}) {
		t.Errorf("%+v, want group 100, with 44 and 992", c)
	}
	if c := mps.Credential(7, lookup, groups); c.Uid != 7 || c.Gid != 7 || len(c.Groups) > 0 {
		t.Errorf("%+v of a user without a name, want the group of its number alone", c)
	}
	lost := func(*user.User) ([]string, error) { return nil, errors.New("no group file") }
	if c := mps.Credential(1000, lookup, lost); c.Gid != 100 || len(c.Groups) > 0 {
		t.Errorf("%+v of one whose groups cannot be read", c)
	}
}

// TestSwappableFolders: where another could put a folder in the place of ours,
// nothing is made.
func TestSwappableFolders(t *testing.T) {
	base := shortDir(t)
	folder := func(name string, mode os.FileMode) string {
		path := filepath.Join(base, name)
		if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ours, open := folder("ours", 0o755), folder("open", 0o777)
	if err := errors.Join(os.Symlink(ours, base+"/link"), os.Symlink(open, base+"/tolink"), os.WriteFile(base+"/file", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{
		base + "/link":                            "is a link",
		folder("loose", 0o777):                    "written by others",
		folder("group", 0o775):                    "written by others",
		folder("s", 0o777|os.ModeSticky):          "written by others",
		open + "/below":                           "written by others",
		base + "/tolink/below":                    "written by others",
		base + "/file":                            "not a directory",
		base + "/file/below":                      "not a directory",
		base + "/link/below":                      "",
		folder("st", 0o777|os.ModeSticky) + "/it": "",
	}
	if os.Geteuid() == 0 {
		theirs, above, lead := folder("theirs", 0o755), folder("above", 0o755), base+"/lead"
		if err := errors.Join(os.Symlink(ours, lead), os.Chown(theirs, 65534, 65534), os.Chown(above, 65534, 65534), os.Lchown(lead, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		dirs[theirs], dirs[above+"/x"], dirs[lead+"/y"] = "user 65534's", "user 65534's", "user 65534's"
	}
	for dir, want := range dirs {
		before, _ := os.ReadDir(filepath.Dir(dir))
		ds := mps.New(mps.Control{Path: program}, options(dir))
		_, err := ds.Start(t.Context(), limited(gpuA))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", dir, err, want)
		}
		if err := ds.Stop(t.Context(), gpuA); err != nil && want != "not a directory" {
			t.Errorf("%s: %v", dir, err)
		}
		if after, _ := os.ReadDir(filepath.Dir(dir)); want != "" && len(after) != len(before) {
			t.Errorf("%s: refused, and something was made: %v", dir, after)
		}
	}
}

// TestFakeEnds: a simulated daemon outlives neither its folder nor its program.
func TestFakeEnds(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"pipe", "anew", "program"} {
		dir := t.TempDir()
		path, err := mpsfake.Install(dir, exe)
		if err != nil {
			t.Fatal(err)
		}
		c, pipe := mps.Control{Path: path}, filepath.Join(dir, "pipe")
		if err := errors.Join(os.Mkdir(pipe, 0o700), c.Start(t.Context(), []string{mps.PipeVariable + "=" + pipe, mps.LogVariable + "=" + dir}, os.Geteuid())); err != nil {
			t.Fatal(err)
		}
		waitUntil(t, func() bool { _, err := c.Ask(t.Context(), pipe, "get_server_list"); return err == nil })
		found, err := c.Find(t.Context())
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		if gone == "program" {
			err = os.Remove(path)
		} else if err = os.RemoveAll(pipe); gone == "anew" {
			err = errors.Join(err, os.Mkdir(pipe, 0o700))
		}
		if err != nil {
			t.Fatal(err)
		}
		waitUntil(t, func() bool { return errors.Is(syscall.Kill(found[0].PID, 0), syscall.ESRCH) })
	}
}
