SHELL := bash
.SHELLFLAGS := -euo pipefail -c

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
FUZZTIME ?= 5s
GOLANGCI ?= $(shell command -v golangci-lint || echo "$$(go env GOPATH)/bin/golangci-lint")
PEERS    := cmd/fender/blackbox/peers

.PHONY: build test peers fuzz lint demo

build: ## the binary, as the image has it
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION) -X main.revision=$(REVISION)' -o fender ./cmd/fender

test: ## every test, with the race detector
	go test -race -shuffle=on ./...
	$(MAKE) --no-print-directory peers

peers: ## the built binary against servers that are not ours
	cd $(PEERS) && go test -race -shuffle=on ./...

fuzz: ## every fuzz target, one after the other
	go test -list '^Fuzz' ./... \
		| awk '/^Fuzz/ { name[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, name[i]; n = 0 }' \
		| while read -r package target; do \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null || exit 1; \
		done

lint: ## what the house agreed on
	$(GOLANGCI) run
	cd $(PEERS) && $(GOLANGCI) run

demo: ## the whole system in one process, in under a minute
	go run ./cmd/fender demo --once
