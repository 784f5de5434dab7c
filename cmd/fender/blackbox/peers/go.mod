module github.com/fender-proxy/fender/cmd/fender/blackbox/peers

go 1.26.0

require (
	github.com/coder/websocket v1.8.15
	github.com/fender-proxy/fender v0.0.0
	github.com/tmaxmax/go-sse v0.12.0
)

replace github.com/fender-proxy/fender => ../../../..
