package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// later are formats to come: in the second the settings are other, and the
// database is a folder with other files; in the third there is one file more.
var later = formats{
	func(old, fresh string) error {
		s, err := os.ReadFile(filepath.Join(old, settingsFile))
		if err != nil {
			return err
		}
		db := filepath.Join(fresh, databaseDir)
		return errors.Join(
			os.WriteFile(filepath.Join(fresh, settingsFile), append(s, " of format 2"...), 0o600),
			os.Mkdir(db, 0o700),
			os.WriteFile(filepath.Join(db, "table"), []byte("2"), 0o600))
	},
	func(old, fresh string) error {
		b, err := os.ReadFile(filepath.Join(old, databaseDir, "table"))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(fresh, "index"), append(b, " and 3"...), 0o600)
	},
}

// oldHome makes a home of the first format.
func oldHome(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "home")
	h, err := openHome(dir, nil, nil)
	must(t, err)
	db := filepath.Join(dir, databaseDir)
	must(t, errors.Join(os.Mkdir(db, 0o700), os.WriteFile(filepath.Join(db, "journal"), []byte("1"), 0o600),
		os.WriteFile(filepath.Join(dir, settingsFile), []byte("settings"), 0o600), h.Close()))
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// files lists a home with what is in each file.
func files(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		var data []byte
		if !e.IsDir() {
			if data, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		fmt.Fprintf(&b, "%s %q\n", name, data)
		return nil
	}))
	return b.String()
}

// TestUpgrade: a home of an old format becomes one of the newest, over all
// formats in between. What did not change stays, and nothing is left over.
func TestUpgrade(t *testing.T) {
	dir := oldHome(t)
	h, err := openHome(dir, later, nil)
	must(t, err)
	must(t, h.Close())
	got := files(t, dir)
	for _, want := range []string{"version \"3\\n\"\n", "settings \"settings of format 2\"\n", "db/table \"2\"\n", "index \"2 and 3\"\n", "identity "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "journal") || strings.Contains(got, freshName) || strings.Contains(got, formerDir) {
		t.Errorf("left over in\n%s", got)
	}
	if _, err := openHome(dir, later[:1], nil); !errors.Is(err, ErrNewerFormat) {
		t.Errorf("an older program: %v", err)
	}
	if after := files(t, dir); after != got {
		t.Errorf("the older program left\n%s", after)
	}
}

// TestAbuse_FA12_UpgradeCutShort: whichever step of an upgrade is the last, the next
// start finds a whole home: the old program one that it wrote and nothing else, or
// one that it refuses and leaves alone; the new one goes on to the end.
func TestAbuse_FA12_UpgradeCutShort(t *testing.T) {
	cut := errors.New("cut short")
	whole := oldHome(t)
	want := func() string {
		dir := filepath.Join(t.TempDir(), "home")
		must(t, errors.Join(os.CopyFS(dir, os.DirFS(whole)), os.Chmod(dir, 0o700)))
		h, err := openHome(dir, later, nil)
		must(t, err)
		must(t, h.Close())
		return files(t, dir)
	}()
	before := files(t, whole)
	old, refused := 0, 0
	for last := 0; ; last++ {
		dir := filepath.Join(t.TempDir(), "home")
		must(t, errors.Join(os.CopyFS(dir, os.DirFS(whole)), os.Chmod(dir, 0o700)))
		steps := 0
		h, err := openHome(dir, later, func(string, string) error {
			if steps++; steps > last {
				return cut
			}
			return nil
		})
		if err == nil {
			must(t, h.Close())
			break
		}
		if !errors.Is(err, cut) {
			t.Fatal(err)
		}
		left := files(t, dir)
		switch n, err := later.version(dir); {
		case err != nil:
			t.Fatal(err)
		case n == 1:
			old++
			var kept strings.Builder
			for line := range strings.Lines(left) {
				if !strings.HasPrefix(line, freshName) {
					kept.WriteString(line)
				}
			}
			if kept.String() != before {
				t.Errorf("after %d steps the old home is\n%s", last, left)
			}
		default:
			refused++
			under := strings.Contains(left, freshName+"2/")
			if under && !(strings.Contains(left, "settings \"settings\"\n") && strings.Contains(left, "journal \"1\"\n")) {
				t.Errorf("after %d steps, not all in their places, what they replace is gone:\n%s", last, left)
			}
			if _, err := openHome(dir, nil, nil); !errors.Is(err, ErrNewerFormat) {
				t.Errorf("after %d steps the old program says %v", last, err)
			}
			if after := files(t, dir); after != left {
				t.Errorf("after %d steps the old program made of\n%s\n%s", last, left, after)
			}
		}
		h, err = openHome(dir, later, nil)
		must(t, err)
		must(t, h.Close())
		if got := files(t, dir); got != want {
			t.Errorf("after %d steps, and another start:\n%s\nwant\n%s", last, got, want)
		}
	}
	if old < 5 || refused < 10 {
		t.Errorf("%d times the old home was found, %d times the new one", old, refused)
	}
}
