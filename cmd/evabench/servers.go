package main

import (
	"fmt"
	"maps"
	"strings"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// A servers holds what the servers of a run's cells said of themselves, those of earlier
// sessions too.
type servers struct{ seen []seenServer }

// A seenServer is an instance that told a version, and the cell that it was of.
type seenServer struct {
	folder string
	config results.Config
	results.Instance
}

// servers are those of the cells that are measured already.
func (b *bench) servers() *servers {
	s := &servers{}
	if b.going == nil {
		return s
	}
	for _, c := range b.going.run.Cells {
		if !b.going.measured[c.Cell.Folder] {
			continue
		}
		for _, i := range c.Cell.Instances {
			s.see(c.Cell.Folder, c.Cell.Config, i)
		}
	}
	return s
}

func (s *servers) see(folder string, config results.Config, i results.Instance) {
	if i.Version != "" {
		s.seen = append(s.seen, seenServer{folder, config, i})
	}
}

// alike compares an instance that is ready with those of its service in the cells before.
// It is a fault that it is another where nothing else is: in the same configuration, and
// always if a container's image is. What a server says of itself may follow from the
// configuration (a model's name, a length that fits the memory, a build that a parameter
// chooses), and need not: so elsewhere it is a doubt.
func (s *servers) alike(c scenarios.Cell, i results.Instance) (doubt string, err error) {
	defer s.see(c.Folder, c.Config, i)
	if i.Version == "" {
		return "", nil
	}
	known := false
	for _, was := range s.seen {
		if was.Service != i.Service || was.folder == c.Folder {
			continue
		}
		image, other := imageOf(i), imageOf(was.Instance)
		same := was.Name == i.Name && sameFor(i.Service, was.config, c.Config)
		switch {
		case image != other && image != "" && other != "", was.Version != i.Version && same:
			return "", fmt.Errorf("%s says %q, and in cell %s %s said %q: their cells cannot be compared; give the run that server back, or begin a new run",
				i.Name, i.Version, was.folder, was.Name, was.Version)
		case was.Version == i.Version:
			known = true
		case doubt == "":
			doubt = fmt.Sprintf("it says %q, and in cell %s %s said %q: unless the configuration is why, what differs between these cells may be the servers'",
				i.Version, was.folder, was.Name, was.Version)
		}
	}
	if known {
		doubt = ""
	}
	return doubt, nil
}

// imageOf is the ID of the image that a container was made from; empty of other servers.
func imageOf(i results.Instance) string {
	if i.Image == "" {
		return ""
	}
	id, _, _ := strings.Cut(i.Version, ",") // what the server said follows
	return id
}

// sameFor reports whether two configurations make the same servers of a service.
func sameFor(service string, a, b results.Config) bool {
	return a.Layout == b.Layout && a.Sharing == b.Sharing && a.Placement == b.Placement && maps.Equal(a.Workers, b.Workers) &&
		maps.Equal(paramsOf(service, a), paramsOf(service, b))
}

// paramsOf are the parameters of a service in a configuration.
func paramsOf(service string, c results.Config) map[string]string {
	params := maps.Clone(c.Params)
	maps.DeleteFunc(params, func(name, _ string) bool { return !strings.HasPrefix(name, service+".") })
	return params
}
