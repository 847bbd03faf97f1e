#!/bin/sh
# The client for vision-language models against a server that nobody here wrote: LiteLLM's proxy (PyPI), with models that
# answer by rote. Installs it into .peers/litellm, starts it on this machine, runs the test that needs it, ends it.
# Not part of tests/run.sh: the proxy brings about two hundred megabytes of Python packages.
set -eu
cd "$(dirname "$0")/.."

venv=${HOLOSCOPE_LITELLM_VENV:-.peers/litellm}
[ -x "$venv/bin/litellm" ] || {
    python3 -m venv "$venv"
    "$venv/bin/python3" -m pip install --quiet --disable-pip-version-check 'litellm[proxy]'
}
"$venv/bin/python3" -m pip show litellm 2>/dev/null | sed -n 1,2p

work=$(mktemp -d)
proxy=''
finish() {
    [ -z "$proxy" ] || kill "$proxy" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT INT TERM

# The key is that of the test; the models are asked by nobody else, and nothing leaves this machine.
cat >"$work/config.yaml" <<'CONFIG'
model_list:
  - model_name: caption
    litellm_params: {model: openai/any, api_key: none-needed, mock_response: 'A red chair with four legs.'}
  - model_name: boxes
    litellm_params:
      model: openai/any
      api_key: none-needed
      mock_response: "```json\n[{\"label\": \"sofa\", \"bbox_2d\": [100, 200, 500, 600]}]\n```"
  - model_name: busy
    litellm_params: {model: openai/any, api_key: none-needed, mock_response: 'litellm.RateLimitError'}
  - model_name: broken
    litellm_params: {model: openai/any, api_key: none-needed, mock_response: 'litellm.InternalServerError'}
general_settings:
  master_key: sk-local-test-0123
router_settings:
  num_retries: 0
CONFIG

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
LITELLM_LOCAL_MODEL_COST_MAP=True "$venv/bin/litellm" --config "$work/config.yaml" --host 127.0.0.1 --port "$port" \
    --telemetry False >"$work/log" 2>&1 &
proxy=$!
tries=0
until python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -le 120 ] && kill -0 "$proxy" 2>/dev/null || { tail -20 "$work/log" >&2; exit 1; }
    sleep 1
done

HOLOSCOPE_VLM_PEER="http://127.0.0.1:$port/v1" \
    cargo test --release --lib perception::vlm::tests::peer -- --ignored --nocapture
