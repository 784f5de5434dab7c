module github.com/fender-proxy/fender/cmd/fender/blackbox/peers

go 1.26.0

require (
	github.com/coder/websocket v1.8.15
	github.com/fender-proxy/fender v0.0.0
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	github.com/tmaxmax/go-sse v0.12.0
	gopkg.in/yaml.v3 v3.0.1
)

require golang.org/x/text v0.42.0 // indirect

replace github.com/fender-proxy/fender => ../../../..
