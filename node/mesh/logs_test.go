package mesh

import (
	"bytes"
	"log"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/gologshim"
)

func TestLibrariesLogAtDebugLevelOnly(t *testing.T) {
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	for level, want := range map[slog.Level]int{slog.LevelDebug: 2, slog.LevelInfo: 0} {
		var out bytes.Buffer
		RouteLogs(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level})))
		log.Print("from package log")
		gologshim.Logger("test-"+level.String()).With("a", 1).WithGroup("g").Error("from libp2p")
		if n := strings.Count(out.String(), "level=DEBUG"); n != want || strings.Contains(out.String(), "ERROR") {
			t.Errorf("at %v: %s", level, out.String())
		}
	}
}
