package store_test

import (
	"os"
	"testing"
)

// thorough reports whether the long forms of the tests were asked for; what
// they need must be there then.
func thorough() bool { return os.Getenv("CONCLAVE_TEST") == "all" }

// TestMain lets this binary be the process that a test kills.
func TestMain(m *testing.M) {
	if role := os.Getenv("CONCLAVE_STORE_CHILD"); role != "" {
		os.Exit(child(role))
	}
	os.Exit(m.Run())
}
