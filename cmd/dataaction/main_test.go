package main

import (
	"os"
	"testing"
)

// asCommand is the variable that makes the test's binary the command.
const asCommand = "DATAACTION_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}
