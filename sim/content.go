package sim

import (
	"bytes"
	"encoding/base64"
	"hash/crc32"
	"image"
	_ "image/jpeg" // the format of the frames
)

// contentHash tells contents apart, not by accident the same for two frames.
// Both halves are checksums that processors have instructions for: at
// thousands of frames a second a hash byte by byte costs too much.
func contentHash(data []byte) uint64 {
	return uint64(crc32.Checksum(data, castagnoli))<<32 | uint64(crc32.ChecksumIEEE(data))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// jpegSize reads an image's header; what follows it may be wrong.
func jpegSize(frame []byte) (width, height int, err error) {
	c, _, err := image.DecodeConfig(bytes.NewReader(frame))
	return c.Width, c.Height, err
}

func decodeBase64(s string) ([]byte, error) { return base64.StdEncoding.DecodeString(s) }
