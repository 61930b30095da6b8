package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// CheckReach tells, before anything is changed, whether what the configurations
// differ in reaches the servers. It is a fault if a template names a value that a
// configuration has not, and if a value is varied of which a service's servers do
// not learn: each cell would measure the same. What may be so is a warning. Of
// each Service only what the scenario says and the Launcher is used.
func CheckReach(all []Service, configs []results.Config) ([]results.Warning, error) {
	var warnings []results.Warning
	var faults []error
	told := false // whether a service learns of the placement
	for i, s := range all {
		faults = append(faults, samePorts(s, all[:i])...)
		t, ok := s.Launcher.(services.Templated)
		if ok {
			faults = append(faults, missingNames(s, t, configs)...)
			faults = append(faults, unreached(s, t, configs)...)
		}
		faults = append(faults, unread(s)...)
		told = told || !standing(s)
		warnings = append(warnings, unadapted(s, configs)...)
	}
	if placements := vary(configs, func(c results.Config) string { return c.Placement }); len(placements) > 1 && !told {
		faults = append(faults, fmt.Errorf("matrix: placement varies (%s), and no service is placed on a device: every one of them runs already, or counts its instances itself",
			strings.Join(placements, "; ")))
	}
	return warnings, errors.Join(faults...)
}

// CheckRouting tells, before anything is changed, whether routings that differ are of
// any effect: a service of one instance is asked alike by every router. place gives the
// instances of a configuration; one for which it fails is not looked at.
func CheckRouting(configs []results.Config, place func(results.Config) ([]services.Instance, error)) error {
	routings := vary(configs, func(c results.Config) string { return c.Routing })
	if len(routings) < 2 {
		return nil
	}
	known := false
	for _, c := range configs {
		instances, err := place(c)
		if err != nil {
			continue
		}
		known = true
		count := map[string]int{}
		for _, i := range instances {
			if count[i.Service]++; count[i.Service] > 1 {
				return nil
			}
		}
	}
	if !known {
		return nil
	}
	return fmt.Errorf("matrix: routing varies (%s), and each service has one instance in every configuration: every cell would measure the same; place more instances of a service, or name one routing",
		strings.Join(routings, ", "))
}

// CheckAlike tells, before anything is changed, which configurations differ in words
// alone, such as by a sharing where the layout says itself how each device is shared: each
// would be measured twice, and compared with itself.
func CheckAlike(configs []results.Config) error {
	var faults []error
	names := map[string]string{}
	for _, c := range configs {
		is, err := meaning(c)
		if err != nil {
			continue // told where it is planned
		}
		if first, known := names[is]; known {
			faults = append(faults, fmt.Errorf("matrix: configurations %s and %s are the same, written in two ways (layout %s, sharing %s, placement %s); name one alone, or leave the other out by matrix.exclude",
				first, c.Name, c.Layout, c.Sharing, c.Placement))
			continue
		}
		names[is] = c.Name
	}
	return errors.Join(faults...)
}

// meaning is equal for configurations that are carried out alike.
func meaning(c results.Config) (string, error) {
	layout, err := partition.ParseLayout(c.Layout)
	if err != nil {
		return "", err
	}
	sharing, err := device.ParseSharing(c.Sharing)
	if err != nil {
		return "", err
	}
	placement, err := services.ParsePlacement(c.Placement)
	if err != nil {
		return "", err
	}
	placed := strings.Fields(placement.String())
	slices.Sort(placed) // the order of services says nothing
	c.Name, c.Layout, c.Sharing, c.Placement = "", layout.WithSharing(sharing).String(), "", strings.Join(placed, " ")
	text, err := json.Marshal(c) // sorts the maps
	return string(text), err
}

// standing reports whether a service's instances are the same wherever devices
// are.
func standing(s Service) bool {
	_, fixed := s.Launcher.(services.Fixed)
	_, adapting := s.Launcher.(services.Adapting)
	return fixed && !adapting
}

// missingNames finds the names of templates that stand for nothing.
func missingNames(s Service, t services.Templated, configs []results.Config) (faults []error) {
	for _, name := range t.Names() {
		for _, c := range configs {
			if _, ok := valueOf(s, c, name); ok {
				continue
			}
			of, _ := strings.CutPrefix(name, "params.")
			if of == name {
				faults = append(faults, fmt.Errorf("service %s: {%s}: it has no model %q; its models: %s",
					s.Name, name, strings.TrimPrefix(name, "workers."), strings.Join(modelNames(s), ", ")))
			} else {
				faults = append(faults, fmt.Errorf("service %s: {%s}: configuration %s has no parameter %s.%s; give it in matrix: params",
					s.Name, name, c.Name, s.Name, of))
			}
			break // one configuration shows it
		}
	}
	return faults
}

// unread finds pages that the launcher is told of and that no source of the service reads.
func unread(s Service) (faults []error) {
	paged, ok := s.Launcher.(services.Paged)
	if !ok {
		return nil
	}
	var read []string
	for _, spec := range s.Scrapes {
		read = append(read, spec.Name)
	}
	for _, page := range paged.Scrapes() {
		switch {
		case slices.Contains(read, page):
		case len(read) == 0:
			faults = append(faults, fmt.Errorf("service %s: its launcher's scrapes tell the page of %s, and the service has no scrape: nobody would read it; say scrape: [%s], or take it out", s.Name, page, page))
		default:
			faults = append(faults, fmt.Errorf("service %s: its launcher's scrapes tell the page of %s, which its scrape does not name: nobody would read it; add it there, or take it out here (%s)", s.Name, page, kind.Known(page, read)))
		}
	}
	return faults
}

// samePorts finds ports that are given to a service and to one before it.
func samePorts(s Service, before []Service) (faults []error) {
	ours, ok := s.Launcher.(services.Ported)
	if !ok {
		return nil
	}
	first, n := ours.Ports()
	for _, o := range before {
		theirs, ok := o.Launcher.(services.Ported)
		if !ok {
			continue
		}
		from, m := theirs.Ports()
		if both := max(first, from); both < min(first+n, from+m) {
			faults = append(faults, fmt.Errorf("services %s and %s: both have port %d; give one of them another launcher.port", o.Name, s.Name, both))
		}
	}
	return faults
}

// unreached finds values that are varied and of which the servers do not learn.
func unreached(s Service, t services.Templated, configs []results.Config) (faults []error) {
	names := map[string]bool{}
	for _, c := range configs {
		for param := range paramsOf(s.Name, c) {
			names["params."+param] = true
		}
	}
	for _, model := range modelNames(s) {
		names["workers."+model] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		values := vary(configs, func(c results.Config) string {
			value, _ := valueOf(s, c, name)
			return value
		})
		if len(values) < 2 || t.Reaches(name) {
			continue
		}
		how := fmt.Sprintf("name {%s} in its arguments", name)
		if standing(s) {
			how = "give its launcher what makes the servers fit (adapt of launcher external), or " + how
		}
		faults = append(faults, fmt.Errorf("service %s: the matrix varies {%s} (%s), of which its servers do not learn: every cell would measure the same; %s",
			s.Name, name, strings.Join(values, ", "), how))
	}
	return faults
}

// unadapted warns of servers that are the same on every layout, and of those that
// are changed and not put back.
func unadapted(s Service, configs []results.Config) (warnings []results.Warning) {
	warn := func(code, text string) {
		warnings = append(warnings, results.Warning{Code: code, Subject: s.Name, Count: 1, Text: text})
	}
	layouts := vary(configs, func(c results.Config) string { return c.Layout + " " + c.Sharing })
	if standing(s) && len(layouts) > 1 {
		warn("not-adapted", "its instances are placed on no device, so they may be the same on every layout: whoever runs them is not told of a change (adapt of launcher external does)")
	}
	_, adapting := s.Launcher.(services.Adapting)
	releasing, ok := s.Launcher.(services.Releasing)
	if adapting && len(layouts) > 1 && !(ok && releasing.Releases()) {
		warn("not-released", "adapt changes its servers, and no release makes them let their devices go before a layout is put back: where they run on these GPUs, the driver may refuse that")
	}
	if _, ok := s.Launcher.(services.Restoring); adapting && !ok {
		warn("not-restored", "adapt changes its servers, and no restore puts them back: after the sweep they are as the last cell left them")
	}
	return warnings
}

// valueOf gives the value that a name stands for in one configuration.
func valueOf(s Service, c results.Config, name string) (string, bool) {
	if param, ok := strings.CutPrefix(name, "params."); ok {
		value, ok := paramsOf(s.Name, c)[param]
		return value, ok
	}
	for _, m := range s.Models {
		if "workers."+m.Name == name {
			workers := m.Workers
			if w, ok := c.Workers[m.Name]; ok {
				workers = w
			}
			return fmt.Sprint(workers), true
		}
	}
	return "", false
}

func modelNames(s Service) (names []string) {
	for _, m := range s.Models {
		names = append(names, m.Name)
	}
	return names
}

// vary gives the different values of the configurations, in their order.
func vary(configs []results.Config, of func(results.Config) string) (values []string) {
	for _, c := range configs {
		if v := of(c); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}
