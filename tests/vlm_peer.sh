#!/bin/sh
# The client for vision-language models against a server that nobody here wrote: LiteLLM's proxy (PyPI), with models that
# answer by rote. Installs it into .peers/litellm, starts it on this machine, runs the test that needs it and whole runs of
# the program on photos of assets/demo, ends it. HOLOSCOPE is a program that is built already, HOLOSCOPE_LITELLM_VENV an
# environment that has the proxy.
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
  - model_name: all-kinds
    litellm_params: {model: rote/any}
litellm_settings:
  custom_provider_map:
    - {provider: rote, custom_handler: rote.model}
general_settings:
  master_key: sk-local-test-0123
router_settings:
  num_retries: 0
CONFIG

# A run puts questions of three kinds to one model; this one tells them by their words. The proxy makes the answers of them.
cat >"$work/rote.py" <<'ROTE'
import json
import litellm


class Rote(litellm.CustomLLM):
    async def acompletion(self, model, messages, *args, **kwargs):
        content = messages[0]["content"]
        asked = " ".join(part.get("text", "") for part in content)
        pictures = [part for part in content if part["type"] == "image_url"]
        assert len(pictures) == 1 and pictures[0]["image_url"]["url"].startswith("data:image/jpeg;base64,")
        if asked.startswith("List the categories"):
            answer = "```json\n" + json.dumps({"categories": ["sofa", "coffee table"]}) + "\n```"
        elif asked.startswith("Find every single thing"):
            answer = json.dumps({"things": [{"label": "sofa", "bbox_2d": [100, 200, 500, 600]}]})
        else:
            answer = "A caption by rote."
        return await litellm.acompletion(model="openai/any", api_key="none-needed", messages=messages, mock_response=answer)


model = Rote()
ROTE

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

if [ -z "${HOLOSCOPE:-}" ]; then
    cargo build --release --quiet
    HOLOSCOPE=${CARGO_TARGET_DIR:-target}/release/holoscope
fi
posts() { grep -c 'POST /v1/chat/completions' "$work/log" || true; }
# run: the demo's photos, with few of them and few steps: it is the questions that are tested.
run() {
    HOLOSCOPE_VLM_KEY=sk-local-test-0123 "$HOLOSCOPE" run assets/demo --out "$work/scene" --max-frames 12 --steps 60 --device cpu \
        --vlm "http://127.0.0.1:$port/v1" --vlm-model all-kinds --json --quiet >"$work/run.json"
}
# told WHAT: what was asked and answered, as scene.json says, and captions by the model.
told() {
    python3 - "$work/scene" "$1" <<'TOLD'
import json, pathlib, sys
scene, what = pathlib.Path(sys.argv[1]), sys.argv[2]
meta = json.loads((scene / "scene.json").read_text())
parts = [meta["figures"]["named_by_vlm"], meta["figures"]["captions"]]
asked, remembered = (sum(part[key] for part in parts) for key in ("questions", "remembered"))
shown = [i for i in json.loads((scene / "instances.json").read_text())["instances"] if i["state"] != "dropped"]
by_rote = [i for i in shown if i["caption"] == "A caption by rote."]
print(f"{what}: {asked} questions, {remembered} from memory, {len(by_rote)} of {len(shown)} captions by the model, warnings {meta['warnings']}")
assert shown and len(by_rote) == len(shown)
assert not any("--vlm" in w or "caption" in w for w in meta["warnings"])
everything = b"".join(f.read_bytes() for f in scene.rglob("*") if f.is_file())
assert b"sk-local-test" not in everything, "the key is on disk"
assert {"sofa", "coffee table"} <= {c["name"] for c in json.loads((scene / "categories.json").read_text())["found"]}
print(asked, remembered, file=open(scene.parent / "counts", "w"))
TOLD
    read -r asked remembered <"$work/counts"
}
run
told 'first run'
[ "$asked" -ge 3 ] && [ "$(posts)" -eq "$asked" ] || { echo "the proxy saw $(posts) questions, not $asked" >&2; exit 1; }
first=$asked
# Nothing has changed: no stage is made anew, and nobody is asked.
run
[ "$(posts)" -eq "$first" ] || { echo 'a second run asked the server' >&2; exit 1; }
# The stages with questions are made anew: all the answers are remembered.
python3 - "$work/scene/scene.json" <<'FORGET'
import json, sys
meta = json.load(open(sys.argv[1]))
for stage in meta["stages"]:
    if stage["name"] == "masks":
        stage["key"] = "0"
json.dump(meta, open(sys.argv[1], "w"))
FORGET
run
told 'second run'
[ "$asked" -eq 0 ] && [ "$remembered" -ge "$first" ] && [ "$(posts)" -eq "$first" ] ||
    { echo "the second run asked $asked questions and remembered $remembered of $first" >&2; exit 1; }

HOLOSCOPE_VLM_PEER="http://127.0.0.1:$port/v1" \
    cargo test --release --lib perception::vlm::tests::peer -- --ignored --nocapture
