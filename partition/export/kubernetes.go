package export

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/migparted"
)

// kubernetes writes config maps for NVIDIA's GPU operator: one for its MIG
// manager, and one for its device plugin where devices are shared.
//
// The plugin shares by copies of a resource that pods ask for, the same for all
// GPUs of a node, either by MPS or by time slices; MPS for whole GPUs only.
// (NVIDIA/k8s-device-plugin, README, shared access to GPUs.)
func (e *export) kubernetes() error {
	sharing, err := e.pluginSharing()
	if err != nil {
		return err
	}
	mig := slices.ContainsFunc(e.targets, func(t partition.Target) bool { return t.MIG })
	if !mig && sharing == "" {
		return fmt.Errorf("there is nothing to configure: nothing shares the GPUs (for time-slicing say --replicas), and MIG is turned off by %s, which removes every instance on the node", labelOff)
	}
	var config string
	strategy := "none"
	if mig {
		data, warnings, err := migparted.Write(e.Name, e.State, e.Layout)
		if err != nil {
			return err
		}
		config, strategy = string(data), "mixed"
		e.lacks = append(e.lacks, slices.DeleteFunc(warnings, func(w string) bool { return strings.HasPrefix(w, "sharing ") })...)
	}
	if mig {
		e.migConfigMap(config)
	}
	if sharing != "" {
		e.pluginConfigMap(strategy, sharing)
	}
	return nil
}

// labelOff turns MIG off on a node, by a configuration that every list has.
const labelOff = "kubectl label node NODE nvidia.com/mig.config=all-disabled --overwrite"

// pluginSharing is the device plugin's sharing section; empty where each pod has
// a device of its own.
func (e *export) pluginSharing() (string, error) {
	var whole, instances, wholeMPS, instanceMPS []unit
	for _, u := range e.devices {
		switch {
		case u.profile == "" && u.sharing.IsMPS():
			wholeMPS = append(wholeMPS, u)
		case u.profile == "":
			whole = append(whole, u)
		case u.sharing.IsMPS():
			instanceMPS = append(instanceMPS, u)
		default:
			instances = append(instances, u)
		}
	}
	e.lackOf("the device plugin offers no part of an instance to pods", func(u unit) bool { return u.cut })
	e.lackOf("the device plugin does not set time slices", func(u unit) bool { return u.sharing.TimeSlice != "" })
	e.lackOf("the device plugin does not support MPS on MIG devices; a pod has the device without MPS, and alone",
		func(u unit) bool { return u.profile != "" && u.sharing.IsMPS() })
	if len(wholeMPS) > 0 {
		if len(instances)+len(instanceMPS) > 0 {
			return "", errors.New("one GPU of the node is shared by MPS and another one is cut by MIG, and the device plugin does not support MPS on a node with MIG; put the GPUs into different nodes, or export for systemd")
		}
		for _, u := range whole {
			e.lack("%s: the device plugin shares all GPUs of the node alike, so this one by MPS as well", u.name)
		}
		return e.mpsSharing(wholeMPS)
	}
	if e.Replicas < 2 {
		return "", nil
	}
	if len(instanceMPS) > 0 {
		e.lack("the %d replicas of devices with MPS: time-slicing in their place would be another layout", e.Replicas)
	}
	var resources []string
	for _, u := range append(whole, instances...) {
		name := "nvidia.com/gpu"
		if u.profile != "" {
			name = "nvidia.com/mig-" + strings.ReplaceAll(u.profile, "+", ".")
		}
		if !u.cut && !slices.Contains(resources, name) {
			resources = append(resources, name)
		}
	}
	if len(resources) == 0 {
		return "", nil
	}
	return section("timeSlicing", resources, e.Replicas), nil
}

// mpsSharing shares whole GPUs by MPS.
func (e *export) mpsSharing(gpus []unit) (string, error) {
	replicas := e.Replicas
	for _, u := range gpus {
		percent := u.sharing.ThreadPercent
		if replicas == 0 && percent > 0 && 100%percent == 0 && percent < 100 {
			replicas = 100 / percent
		}
	}
	if replicas == 0 {
		return "", fmt.Errorf("%s (%s) does not say how many pods share it; say --replicas", gpus[0].name, gpus[0].sharing)
	}
	for _, u := range gpus {
		if u.sharing.ThreadPercent != 100/replicas {
			e.lack("%s (%s): the device plugin limits each of %d clients to %d %% of the SMs", u.name, u.sharing, replicas, 100/replicas)
		}
		e.lack("%s (%s): the device plugin limits each of %d clients to that part of the memory", u.name, u.sharing, replicas)
	}
	return section("mps", []string{"nvidia.com/gpu"}, replicas), nil
}

// lackOf tells what is not brought back of some of the devices.
func (e *export) lackOf(what string, of func(unit) bool) {
	var names []string
	for _, u := range e.devices {
		if of(u) {
			names = append(names, fmt.Sprintf("%s (%s)", u.name, u.sharing))
		}
	}
	if names != nil {
		e.lack("%s: %s", strings.Join(names, ", "), what)
	}
}

func section(kind string, resources []string, replicas int) string {
	text := fmt.Sprintf("sharing:\n  %s:\n    resources:\n", kind)
	for _, name := range resources {
		text += fmt.Sprintf("      - name: %s\n        replicas: %d\n", name, replicas)
	}
	return text
}

// migConfigMap is for the MIG manager. It replaces the operator's own list of
// configurations, of which nodes without a label use all-disabled.
func (e *export) migConfigMap(config string) {
	name := e.Name + "-mig-config"
	config += "  # The operator's default, which this list must go on having. It removes every\n  # instance on a node.\n  \"all-disabled\":\n    - devices: all\n      mig-enabled: false\n"
	e.undo = []string{
		"kubectl cordon NODE, and end the pods that use its GPUs",
		patch(`{"mig":{"strategy":"OLD_STRATEGY"},"migManager":{"config":{"name":"OLD_MIG_CONFIG_MAP"}}}`),
		"What was empty is null there, without quotes.",
		label("mig.config", "OLD_MIG_CONFIG"),
		ifEmptyOff,
		"kubectl uncordon NODE    # when the state is success",
	}
	e.add(name+".yaml", 0o644, []string{
		note("mig.config", "OLD_MIG_CONFIG"),
		notePolicy("OLD_STRATEGY", ".spec.mig.strategy"),
		notePolicy("OLD_MIG_CONFIG_MAP", ".spec.migManager.config.name"),
		"Note what these print; undo puts it back. Words in capitals are yours to fill in.",
		"kubectl cordon NODE, and end the pods that use its GPUs: the MIG manager stops the operator's own pods only.",
		"The next two commands are for the whole cluster, whose other nodes lose the configurations that this file",
		"does not have: first add those that they have in their label nvidia.com/mig.config, from OLD_MIG_CONFIG_MAP.",
		"kubectl apply -f " + name + ".yaml",
		patch(fmt.Sprintf(`{"mig":{"strategy":"mixed"},"migManager":{"config":{"name":"%s"}}}`, name)),
		label("mig.config", e.Name),
		"kubectl get node NODE -L nvidia.com/mig.config.state    # until it says success",
		"kubectl uncordon NODE",
		"Devices are GPU indices of that node.",
	}, configMap(name, "config.yaml", config))
}

// pluginConfigMap is for the device plugin. Where the layout needs MIG off and a
// card could have it on, it says how.
func (e *export) pluginConfigMap(strategy, sharing string) {
	name := e.Name + "-device-plugin"
	about := []string{
		note("device-plugin.config", "OLD_PLUGIN_CONFIG"),
		notePolicy("OLD_PLUGIN_CONFIG_MAP", ".spec.devicePlugin.config.name"),
	}
	e.undo = []string{
		patch(`{"devicePlugin":{"config":{"name":"OLD_PLUGIN_CONFIG_MAP"}}}`),
		"What was empty is null there, without quotes.",
		label("device-plugin.config", "OLD_PLUGIN_CONFIG"),
		"kubectl label node NODE nvidia.com/device-plugin.config-    # instead, if OLD_PLUGIN_CONFIG was empty",
	}
	const noted = "Note what these print; undo puts it back. Words in capitals are yours to fill in."
	if strategy == "none" && slices.ContainsFunc(e.State.GPUs, func(g partition.GPU) bool { return g.MIG.Supported }) {
		about = append(about, note("mig.config", "OLD_MIG_CONFIG"), noted,
			"Only if MIG is on there: kubectl cordon NODE, end the pods that use its GPUs, and after the next command kubectl uncordon NODE.",
			labelOff+"    # removes every instance on the node")
		e.undo = append(e.undo,
			"If the label mig.config was changed: kubectl cordon NODE, end the pods that use its GPUs, and after this kubectl uncordon NODE:",
			label("mig.config", "OLD_MIG_CONFIG"), ifEmptyOff)
	} else {
		about = append(about, noted)
	}
	e.add(name+".yaml", 0o644, append(about,
		"The next two commands are for the whole cluster, whose other nodes lose the keys that this file does not",
		"have: first add those that they have in their label nvidia.com/device-plugin.config, from OLD_PLUGIN_CONFIG_MAP.",
		"kubectl apply -f "+name+".yaml",
		patch(fmt.Sprintf(`{"devicePlugin":{"config":{"name":"%s"}}}`, name)),
		label("device-plugin.config", e.Name),
		"All GPUs of the node are shared alike.",
	), configMap(name, e.Name, "version: v1\nflags:\n  migStrategy: "+strategy+"\n"+sharing))
}

// ifEmptyOff is what the operator itself does with a node without a label.
const ifEmptyOff = labelOff + "    # instead, if OLD_MIG_CONFIG was empty: the operator's default, which removes every instance on the node"

// note is the command that prints a label of the node, to be noted as a word.
func note(key, as string) string {
	return fmt.Sprintf(`kubectl get node NODE -o jsonpath='{.metadata.labels.nvidia\.com/%s}{"\n"}'    # %s`, strings.ReplaceAll(key, ".", `\.`), as)
}

// notePolicy is the command that prints a field of the operator's settings.
func notePolicy(as, field string) string {
	return fmt.Sprintf(`kubectl get clusterpolicies.nvidia.com/cluster-policy -o jsonpath='{%s}{"\n"}'    # %s`, field, as)
}

func label(key, value string) string {
	return fmt.Sprintf("kubectl label node NODE nvidia.com/%s=%s --overwrite", key, value)
}

// patch is the command that changes the operator's settings.
func patch(spec string) string {
	return fmt.Sprintf(`kubectl patch clusterpolicies.nvidia.com/cluster-policy --type merge -p '{"spec":%s}'`, spec)
}

func configMap(name, key, text string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n  namespace: gpu-operator\ndata:\n  %s: |\n%s", name, key, indent(text, "    "))
}
