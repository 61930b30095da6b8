package partition

import "fmt"

// ownerRemedies are what to do about programs that manage GPUs by themselves, and how
// to give the node back to them.
//
// Note: A DaemonSet stays on a node that is drained. The GPU Operator's own parts go by
// the labels nvidia.com/gpu.deploy.*, and the kubelet plugin of the DRA driver by the
// value kubeletPlugin.nodeSelector of its chart (NVIDIA/k8s-dra-driver-gpu,
// deployments/helm/nvidia-dra-driver-gpu/values.yaml).
var ownerRemedies = map[string]string{
	"mig-manager": "take the node out of its hands first: systemctl stop nvidia-mig-manager.service, " +
		"or on Kubernetes: kubectl label node NODE nvidia.com/gpu.deploy.mig-manager=false --overwrite; " +
		"and afterwards: systemctl start nvidia-mig-manager.service, or kubectl label node NODE nvidia.com/gpu.deploy.mig-manager=true --overwrite",
	"dra-driver": "take the node out of its hands first: kubectl drain NODE --ignore-daemonsets leaves its kubelet plugin, a DaemonSet, so " +
		"once give its chart the value kubeletPlugin.nodeSelector with a label of your own, such as nvidia-dra=on, label your GPU nodes so, " +
		"and then: kubectl label node NODE nvidia-dra-; and afterwards: kubectl label node NODE nvidia-dra=on and kubectl uncordon NODE",
	"device-plugin": "take the node out of its hands first: kubectl cordon NODE, wait until its GPU pods have ended, " +
		"and with the GPU Operator: kubectl label node NODE nvidia.com/gpu.deploy.device-plugin=false --overwrite (installed by itself, its DaemonSet needs " +
		"a node selector that leaves the node out); and afterwards: kubectl label node NODE nvidia.com/gpu.deploy.device-plugin=true --overwrite and kubectl uncordon NODE",
	"slurm": "take the node out of its hands first: scontrol update NodeName=NODE State=DRAIN Reason=evabench, " +
		"and when its jobs have ended: systemctl stop slurmd.service; and afterwards: systemctl start slurmd.service and scontrol update NodeName=NODE State=RESUME",
	"vgpu-manager": "shut down the virtual machines on its GPUs (nvidia-smi vgpu lists them), then: systemctl stop nvidia-vgpu-mgr.service; " +
		"and afterwards: systemctl start nvidia-vgpu-mgr.service",
}

func ownerRefusals(s State) []error {
	var errs []error
	for _, o := range s.Owners {
		who := o.Name
		if o.PID != 0 {
			who += fmt.Sprintf(" (pid %d)", o.PID)
		}
		remedy, ok := ownerRemedies[o.Name]
		if !ok {
			remedy = "stop it first, and start it again afterwards"
		}
		errs = append(errs, &RefusedError{Reason: fmt.Sprintf("%s manages the GPUs of this host: %s", who, o.Why), Remedy: remedy})
	}
	return errs
}
