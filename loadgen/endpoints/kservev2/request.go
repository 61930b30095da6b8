package kservev2

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // the format of requests' images
	"math"

	"github.com/evabench/evabench/loadgen"
)

// Input is the tensor that holds the image.
type Input struct {
	// Name is the tensor's, as the model has it.
	Name string `yaml:"name" json:"name"`
	// Datatype is "BYTES" for the JPEG as it is, or "UINT8" or "FP32" for its
	// pixels.
	Datatype string `yaml:"datatype" json:"datatype"`
	// Shape is the whole tensor's. Of pixels the last three dimensions are the
	// image's, any before them 1; the image is brought to that size by taking the
	// nearest pixels. Of BYTES all are 1.
	Shape []int64 `yaml:"shape" json:"shape"`
	// Layout is the order of the last three dimensions: "chw" or "hwc". There are
	// 3 channels (red, green, blue) or 1 (grey).
	Layout string `yaml:"layout" json:"layout,omitempty"`
	// Scale is what FP32 pixels of 0 to 255 are multiplied with; not 0.
	Scale float64 `yaml:"scale" json:"scale,omitempty"`
}

// maxPixels bounds the values of a tensor of pixels.
const maxPixels = 64 << 20

func (i Input) validate() error {
	if i.Name == "" {
		return errors.New("input: it has no name")
	}
	switch {
	case i.Datatype != "FP32" && i.Scale != 0 && i.Scale != Default.Input.Scale:
		return fmt.Errorf("input: scale is for FP32, not %s", i.Datatype)
	case i.Datatype == "FP32" && (i.Scale == 0 || math.IsNaN(i.Scale) || math.IsInf(i.Scale, 0)):
		return fmt.Errorf("input: scale is %v, which would make all images the same", i.Scale)
	}
	lead := i.Shape
	if i.Datatype == "UINT8" || i.Datatype == "FP32" {
		if len(i.Shape) < 3 {
			return fmt.Errorf("input: shape %v has no three dimensions for an image", i.Shape)
		}
		if i.Layout != "chw" && i.Layout != "hwc" {
			return fmt.Errorf("input: layout %q is neither chw nor hwc", i.Layout)
		}
		c, h, w := i.size()
		if c != 1 && c != 3 || h < 1 || w < 1 || h > maxPixels || w > maxPixels || c*h*w > maxPixels {
			return fmt.Errorf("input: shape %v is no image of 1 or 3 channels in the layout %s", i.Shape, i.Layout)
		}
		lead = i.Shape[:len(i.Shape)-3]
	} else if i.Datatype != "BYTES" {
		return fmt.Errorf("input: datatype %q is none of BYTES, UINT8, FP32", i.Datatype)
	}
	if len(i.Shape) == 0 {
		return errors.New("input: it has no shape")
	}
	for _, n := range lead {
		if n != 1 {
			return fmt.Errorf("input: shape %v is for more than one image", i.Shape)
		}
	}
	return nil
}

// size gives channels, height and width of a tensor of pixels.
func (i Input) size() (c, h, w int64) {
	last := i.Shape[len(i.Shape)-3:]
	if i.Layout == "hwc" {
		return last[2], last[0], last[1]
	}
	return last[0], last[1], last[2]
}

// A tensor is one input or output in the JSON of a request.
type tensor struct {
	Name       string         `json:"name"`
	Datatype   string         `json:"datatype,omitempty"`
	Shape      []int64        `json:"shape,omitempty"`
	Parameters map[string]any `json:"parameters,omitempty"`
}

// body writes a request: the JSON, whose length it gives, and the tensors.
func (c Config) body(r *loadgen.Request) (body []byte, header int, err error) {
	var pixels image.Image
	size := 4 + len(r.Image)
	if c.Input.Datatype != "BYTES" {
		if pixels, _, err = image.Decode(bytes.NewReader(r.Image)); err != nil {
			return nil, 0, fmt.Errorf("decode the image: %w", err)
		}
		ch, h, w := c.Input.size()
		size = int(ch * h * w)
		if c.Input.Datatype == "FP32" {
			size *= 4
		}
	}
	labels := 0
	for _, l := range r.Labels {
		labels += 4 + len(l)
	}
	text, err := c.json(len(r.Labels), size, labels)
	if err != nil {
		return nil, 0, err
	}
	body = append(make([]byte, 0, len(text)+size+labels), text...)
	if pixels == nil {
		body = appendBytes(body, r.Image)
	} else {
		body = c.Input.appendPixels(body, pixels)
	}
	for _, l := range r.Labels {
		body = appendBytes(body, []byte(l))
	}
	return body, len(text), nil
}

// json writes the JSON part, for binary data of the given sizes.
func (c Config) json(labels, size, labelsSize int) ([]byte, error) {
	binarySize := func(n int) map[string]any { return map[string]any{"binary_data_size": n} }
	request := struct {
		Inputs     []tensor       `json:"inputs"`
		Outputs    []tensor       `json:"outputs,omitempty"`
		Parameters map[string]any `json:"parameters,omitempty"`
	}{Inputs: []tensor{{c.Input.Name, c.Input.Datatype, c.Input.Shape, binarySize(size)}}}
	if labels > 0 {
		request.Inputs = append(request.Inputs, tensor{c.LabelsInput, "BYTES", []int64{1, int64(labels)}, binarySize(labelsSize)})
	}
	for _, name := range c.Outputs {
		request.Outputs = append(request.Outputs, tensor{Name: name, Parameters: map[string]any{"binary_data": c.Binary}})
	}
	if len(c.Outputs) == 0 {
		request.Parameters = map[string]any{"binary_data_output": c.Binary}
	}
	return json.Marshal(request)
}

// appendBytes writes one element of a BYTES tensor.
func appendBytes(b, element []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(element))), element...)
}

// appendPixels writes an image, brought to the tensor's size.
//
// Note: servers' own clients resize with more care; for the load it is the bytes
// that count, and what is recognised must only be the same each time.
func (i Input) appendPixels(b []byte, from image.Image) []byte {
	c, h, w := i.size()
	plane := make([]uint8, c*h*w)
	bounds := from.Bounds()
	for y := range h {
		for x := range w {
			// The pixel of the image in which the middle of ours lies.
			at := from.At(bounds.Min.X+int((2*x+1)*int64(bounds.Dx())/(2*w)), bounds.Min.Y+int((2*y+1)*int64(bounds.Dy())/(2*h)))
			r, g, bl, _ := at.RGBA()
			channels := [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(bl >> 8)}
			if c == 1 { // ITU-R BT.601, as of color.GrayModel
				channels[0] = uint8((19595*r + 38470*g + 7471*bl + 1<<15) >> 24)
			}
			for k := range c {
				if i.Layout == "hwc" {
					plane[(y*w+x)*c+k] = channels[k]
				} else {
					plane[(k*h+y)*w+x] = channels[k]
				}
			}
		}
	}
	if i.Datatype == "UINT8" {
		return append(b, plane...)
	}
	for _, p := range plane {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(float64(p)*i.Scale)))
	}
	return b
}
