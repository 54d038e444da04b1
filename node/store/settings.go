package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Settings is what a node keeps for itself that is neither secret nor history.
type Settings struct {
	// Port is the TCP and UDP port that the node chose once and keeps; 0 before.
	Port uint16 `json:"port,omitempty"`
}

// Settings reads the settings; zero ones where none were saved. Errors:
// ErrDamaged, ErrUnsafeHome.
func (h *Home) Settings() (Settings, error) {
	var s Settings
	b, err := readFile(filepath.Join(h.dir, settingsFile), 1<<16)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return Settings{}, fmt.Errorf("%w: %s: %w", ErrDamaged, settingsFile, err)
	}
	return s, nil
}

// SaveSettings replaces the settings. It is durable when it returns. For one
// goroutine at a time.
func (h *Home) SaveSettings(s Settings) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return h.replaceFile(settingsFile, append(b, '\n'))
}
