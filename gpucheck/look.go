package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// A look is what evabench gpu inspect told, or why it could not.
type look struct {
	state inspected
	all   map[string]any // everything, for the comparison
	fault string
}

// inspected is the part of it that is used by name.
type inspected struct {
	System struct{ Driver, CUDA string }
	GPUs   []struct {
		Name, UUID string
		Processes  []struct {
			PID        int
			Name, Kind string
		}
	}
	Blind string
}

// inspect looks at the GPUs, and keeps what was told in logs.
func (c *check) inspect(ctx context.Context, when string) look {
	args := []string{"gpu", "inspect", "--json"}
	if c.sim != "" {
		args = append(args, c.stateArgs()...)
	}
	text, err := c.output(ctx, "inspect-"+when, c.evabench, args...)
	if err != nil {
		return look{fault: err.Error()}
	}
	return read(text)
}

func read(text string) look {
	var l look
	if err := json.Unmarshal([]byte(text), &l.state); err != nil {
		return look{fault: "evabench gpu inspect: " + err.Error()}
	}
	if err := json.Unmarshal([]byte(text), &l.all); err != nil {
		return look{fault: "evabench gpu inspect: " + err.Error()}
	}
	return l
}

// moving are the keys of an inspection that may differ though nothing was
// changed: memory that a process of another uses, a daemon's clients, and what
// follows from others' processes. On the cards that we do not use these come and
// go as they like.
func moving(path, key string) bool {
	if key == "processes" || key == "holders" {
		return path != ".gpus[0]"
	}
	return slices.Contains([]string{"used_bytes", "clients", "refused"}, key)
}

// others tells of the processes that compute on the first GPU, which the check
// would use. The server of an idle MPS daemon is nobody's work.
func (l look) others() []string {
	if len(l.state.GPUs) == 0 {
		return nil
	}
	var list []string
	for _, p := range l.state.GPUs[0].Processes {
		if p.Kind != "graphics" && p.Name != mpsServer {
			list = append(list, fmt.Sprintf("process %d (%s)", p.PID, p.Name))
		}
	}
	return list
}

// differences lists where two looks differ, by path.
func differences(before, after look) []string {
	if before.fault != after.fault {
		return []string{fmt.Sprintf("inspect: %q, and afterwards %q", before.fault, after.fault)}
	}
	return compare("", before.all, after.all)
}

func compare(path string, before, after any) []string {
	b, isMap := before.(map[string]any)
	a, both := after.(map[string]any)
	if isMap && both {
		keys := maps.Clone(b)
		maps.Copy(keys, a)
		var list []string
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if !moving(path, key) {
				list = append(list, compare(path+"."+key, b[key], a[key])...)
			}
		}
		return list
	}
	bs, isList := before.([]any)
	as, bothLists := after.([]any)
	if isList && bothLists && len(bs) == len(as) {
		var list []string
		for i := range bs {
			list = append(list, compare(fmt.Sprintf("%s[%d]", path, i), bs[i], as[i])...)
		}
		return list
	}
	was, _ := json.Marshal(before)
	is, _ := json.Marshal(after)
	if string(was) == string(is) {
		return nil
	}
	return []string{fmt.Sprintf("%s: %.200s, and afterwards %.200s", strings.TrimPrefix(path, "."), was, is)}
}

// endLeft finds processes that came from this check and live, ends them, and
// tells of them. A process is ours if the scratch folder's path stands in its
// environment, as it does in PATH and TMPDIR of all that we start. A shell in that
// folder, or a tail of a log there, is somebody's who looks on.
func (c *check) endLeft() []string {
	folders, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	var left []string
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil || pid == os.Getpid() {
			continue
		}
		// A process may end meanwhile, or be another's: then it is none of ours.
		environ, _ := os.ReadFile(filepath.Join(folder, "environ"))
		if !startedIn(string(environ), c.scratch) {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join(folder, "cmdline"))
		left = append(left, fmt.Sprintf("%d %.120s", pid, strings.ReplaceAll(string(cmdline), "\x00", " ")))
		// It may have ended since: that is as good.
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return left
}

// startedIn reports whether a folder stands in an environment, but for where a
// shell is or was.
func startedIn(environ, folder string) bool {
	for v := range strings.SplitSeq(environ, "\x00") {
		name, value, _ := strings.Cut(v, "=")
		if name != "PWD" && name != "OLDPWD" && name != "_" && strings.Contains(value, folder) {
			return true
		}
	}
	return false
}
