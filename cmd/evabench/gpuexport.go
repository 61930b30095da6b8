package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/evabench/evabench/partition/backends/nvidia"
	"github.com/evabench/evabench/partition/export"
)

// exportOptions are the flags of export.
type exportOptions struct {
	layoutOptions
	to       string
	out      string
	name     string
	program  string
	replicas int
}

func newGPUExport(s streams) *cobra.Command {
	var targets []string
	for _, t := range export.Targets() {
		targets = append(targets, string(t))
	}
	known := strings.Join(targets, ", ")
	var o exportOptions
	c := &cobra.Command{
		Use:   "export LAYOUT",
		Short: "Write the configuration that makes a layout stand at every boot",
		Long: `Export writes what makes the named GPUs come up in a layout, with its MPS daemons,
at every boot: a file for nvidia-mig-parted, a systemd unit, a Docker Compose file,
or config maps for NVIDIA's GPU operator. It changes nothing on this server; what of
the layout the files do not bring back is told. Without --out they are printed.

Where workers are not root's, --mps-user names whose they are, as in gpu apply: MPS
serves one user, and workers of others run without it and say nothing.`,
		Example: "  evabench gpu export \"4x1g.24gb(mps)\" --to systemd --gpus 0 --out unit\n  evabench gpu export 7x1g.5gb --to mig-parted --card \"NVIDIA A100 40GB\"",
		Args:    o.args,
		RunE: func(c *cobra.Command, _ []string) error {
			if !slices.Contains(targets, o.to) {
				return &usageError{fmt.Errorf("--to %q: say for what: %s", o.to, known)}
			}
			return o.export(c.Context(), s)
		},
	}
	o.flags(c, true)
	f := c.Flags()
	f.StringVar(&o.to, "to", "", "write for `TARGET`: "+known)
	f.StringVar(&o.out, "out", "", "write the files to `DIR`, where none of them may be yet")
	f.StringVar(&o.name, "name", "evabench", "call units, configurations and config maps `NAME`")
	f.StringVar(&o.program, "program", "/usr/local/bin/evabench", "evabench's own `PATH` on the server")
	f.StringVar(&o.mpsUser, "mps-user", "", "systemd, docker-compose: let MPS serve the workers of a user, `NAME|UID` (default root)")
	f.IntVar(&o.replicas, "replicas", 0, "k8s: let `N` pods share a device (default what the layout's thread percentage says)")
	return c
}

// export writes or prints the files.
func (o *exportOptions) export(ctx context.Context, s streams) error {
	user, err := o.workers()
	if err != nil {
		return &usageError{err}
	}
	state, layout, mark, err := o.read(ctx)
	if err != nil {
		return err
	}
	files, warnings, err := export.Export(export.Target(o.to), export.Input{
		Layout: layout, State: state, Name: o.name, Program: o.program, Replicas: o.replicas, MPSUser: user,
	})
	if err != nil {
		return &usageError{err}
	}
	if o.out != "" {
		for _, f := range files {
			if path := filepath.Join(o.out, filepath.FromSlash(f.Name)); exists(path) {
				return &usageError{fmt.Errorf("--out: %s is there already, and is not written over", path)}
			}
		}
	}
	for _, w := range warnings {
		fmt.Fprintln(s.err, mark+"not brought back: "+w)
	}
	if o.out == "" {
		for _, f := range files {
			fmt.Fprintf(s.out, "==> %s <==\n%s", f.Name, f.Data)
		}
		return nil
	}
	for _, f := range files {
		path := filepath.Join(o.out, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		if err := renameio.WriteFile(path, f.Data, f.Mode); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		fmt.Fprintln(s.out, path)
	}
	return nil
}

// workers is the user whose workers MPS serves, whom this host knows: by number for
// containers, whose users have other names.
func (o *exportOptions) workers() (string, error) {
	if o.mpsUser == "" {
		return "", nil
	}
	uid, err := (nvidia.Config{MPSUser: o.mpsUser}).MPSUID()
	if err != nil {
		return "", fmt.Errorf("--mps-user: %w", err)
	}
	if o.to == string(export.DockerCompose) {
		return strconv.Itoa(uid), nil
	}
	return o.mpsUser, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
