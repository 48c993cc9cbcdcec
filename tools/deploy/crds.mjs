// Validates custom resources against the schemas of their CRDs: node crds.mjs < OBJECTS, a JSON list. Prints a line for each
// and fails where one is not valid, or is of a kind that no package has.
import { readFileSync } from "node:fs";

const PACKAGES = {
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
  "keda.sh": "@kubernetes-models/keda",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
};

let failed = false;
for (const object of JSON.parse(readFileSync(0, "utf-8"))) {
  const { apiVersion, kind, metadata } = object;
  const what = `${apiVersion} ${kind} ${metadata.name}`;
  try {
    const name = PACKAGES[apiVersion.split("/")[0]];
    if (!name) throw new Error("expected a schema for its group, got none");
    const { [kind]: Model } = await import(`${name}/${apiVersion}/${kind}`);
    new Model(object).validate();
    console.log(`valid: ${what}`);
  } catch (error) {
    failed = true;
    console.log(`NOT VALID: ${what}: ${error.message}`);
  }
}
process.exit(failed ? 1 : 0);
