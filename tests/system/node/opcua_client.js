// Visits a machine as any OPC UA client would and prints what it found as one JSON object.
//
// node opcua_client.js '{"url": …, "machine": …, "user": …, "password": …, "pki": folder,
//   "values": [node ids to subscribe to], "setpoint": {"node", "good", "bad"},
//   "steps": [["Store", …arguments], …], "refused": {"object", "method", "arguments"},
//   "alarm": true}'
// Node ids are written nsu=<uri>;<identifier>.  "alarm" waits for an active alarm event after
// printing {"ready": true}: whoever started this raises one then.
"use strict";

const opcua = require("node-opcua-client");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");

const wanted = JSON.parse(process.argv[2]);
const MACHINERY = "http://opcfoundation.org/UA/Machinery/";
const JOB_CONTROL = "http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/";

function resolve(uris, text) {
    const match = /^nsu=([^;]*);(.*)$/.exec(text);
    return opcua.resolveNodeId(`ns=${uris.indexOf(match[1])};${match[2]}`);
}

async function children(session, nodeId) {
    const result = await session.browse({
        nodeId,
        browseDirection: opcua.BrowseDirection.Forward,
        referenceTypeId: opcua.resolveNodeId("HierarchicalReferences"),
        includeSubtypes: true,
        resultMask: 63,
    });
    return result.references || [];
}

async function walk(session, nodeId, path, found, depth) {
    for (const reference of await children(session, nodeId)) {
        const name = path ? `${path}/${reference.browseName.name}` : reference.browseName.name;
        if (name in found) continue;
        found[name] = { nodeId: reference.nodeId, nodeClass: reference.nodeClass };
        if (depth > 0) await walk(session, reference.nodeId, name, found, depth - 1);
    }
}

function plain(dataValue) {
    const value = dataValue.value ? dataValue.value.value : null;
    const shown = value === null || value === undefined ? null
        : typeof value === "object" && "text" in value ? value.text
        : value instanceof Buffer ? value.toString("hex")
        : typeof value === "object" && !Array.isArray(value) ? value.toString() : value;
    return {
        value: shown,
        status: dataValue.statusCode.name,
        sourceTimestamp: dataValue.sourceTimestamp,
        dataType: dataValue.value ? opcua.DataType[dataValue.value.dataType] : null,
    };
}

async function subscribeValues(session, subscription, ids) {
    const got = {};
    const group = opcua.ClientMonitoredItemGroup.create(
        subscription,
        ids.map(({ nodeId }) => ({ nodeId, attributeId: opcua.AttributeIds.Value })),
        { samplingInterval: 50, queueSize: 10, discardOldest: true },
        opcua.TimestampsToReturn.Both
    );
    group.on("changed", (item, dataValue, index) => {
        got[ids[index].text] = plain(dataValue);
    });
    for (let i = 0; i < 100 && Object.keys(got).length < ids.length; i++) {
        await new Promise((done) => setTimeout(done, 50));
    }
    return got;
}

async function callJobs(session, uris, found, steps) {
    const base = "MachineryBuildingBlocks/JobManagement/JobOrderControl";
    const control = found[base].nodeId;
    const orderType = opcua.resolveNodeId(`ns=${uris.indexOf(JOB_CONTROL)};i=3008`);
    const results = [];
    for (const [name, id, program] of steps) {
        let first = { dataType: opcua.DataType.String, value: id };
        if (program !== undefined) {
            const order = await session.constructExtensionObject(orderType, {
                jobOrderID: id,
                workMasterID: [{ ID: program }],
            });
            first = { dataType: opcua.DataType.ExtensionObject, value: order };
        }
        const comment = {
            dataType: opcua.DataType.LocalizedText,
            arrayType: opcua.VariantArrayType.Array,
            value: [],
        };
        const result = await session.call({
            objectId: control,
            methodId: found[`${base}/${name}`].nodeId,
            inputArguments: [first, comment],
        });
        const output = (result.outputArguments || [])[0];
        results.push({
            name,
            status: result.statusCode.name,
            returnStatus: output ? output.value : null,
        });
    }
    return results;
}

async function awaitAlarm(session, subscription) {
    const fields = [
        "EventId", "EventType", "SourceName", "Message", "Severity", "ConditionName",
        "ActiveState.Id", "AckedState.Id", "Retain",
    ];
    const filter = opcua.constructEventFilter(
        fields,
        opcua.ofType("AlarmConditionType")
    );
    filter.selectClauses.push(new opcua.SimpleAttributeOperand({
        typeDefinitionId: opcua.resolveNodeId("ConditionType"),
        browsePath: [],
        attributeId: opcua.AttributeIds.NodeId,
    }));
    const item = opcua.ClientMonitoredItem.create(
        subscription,
        { nodeId: opcua.resolveNodeId("Server"), attributeId: opcua.AttributeIds.EventNotifier },
        { queueSize: 100, discardOldest: true, filter, samplingInterval: 0 }
    );
    const events = [];
    item.on("changed", (row) => {
        const event = {};
        fields.forEach((name, i) => { event[name] = row[i]; });
        event.ConditionId = row[fields.length];
        events.push(event);
    });
    await new Promise((done) => item.on("initialized", done));
    process.stdout.write(JSON.stringify({ ready: true }) + "\n");
    const until = async (test) => {
        for (let i = 0; i < 200; i++) {
            const event = events.find(test);
            if (event) return event;
            await new Promise((done) => setTimeout(done, 50));
        }
        return null;
    };
    const raised = await until((e) => e["ActiveState.Id"].value && !e["AckedState.Id"].value);
    if (!raised) return { received: false };
    const condition = raised.ConditionId.value;
    const status = await session.acknowledgeCondition(
        condition, raised.EventId.value, "seen by node-opcua"
    );
    const acknowledged = await until(
        (e) => e.ConditionId.value.toString() === condition.toString() && e["AckedState.Id"].value
    );
    return {
        received: true,
        name: raised.ConditionName.value,
        source: raised.SourceName.value,
        message: raised.Message.value.text,
        severity: raised.Severity.value,
        acknowledge: status.name,
        acknowledged: acknowledged !== null,
    };
}

async function main() {
    const certificates = new OPCUACertificateManager({
        rootFolder: wanted.pki,
        automaticallyAcceptUnknownCertificate: true,
    });
    await certificates.initialize();
    const client = opcua.OPCUAClient.create({
        applicationName: "foreign client",
        securityMode: opcua.MessageSecurityMode.SignAndEncrypt,
        securityPolicy: opcua.SecurityPolicy.Basic256Sha256,
        clientCertificateManager: certificates,
        connectionStrategy: { maxRetry: 2, initialDelay: 200, maxDelay: 500 },
        endpointMustExist: false,
    });
    await client.connect(wanted.url);
    const session = await client.createSession({
        type: opcua.UserTokenType.UserName,
        userName: wanted.user,
        password: wanted.password,
    });
    const report = { policy: opcua.MessageSecurityMode[client.securityMode] };
    try {
        const uris = await session.readNamespaceArray();
        const objects = await children(session, "ObjectsFolder");
        const machines = objects.find((r) => r.browseName.name === "Machines");
        const machine = (await children(session, machines.nodeId))
            .find((r) => r.browseName.name === wanted.machine);
        report.machinesNamespace = uris[machines.nodeId.namespace] === MACHINERY;
        report.typeDefinition = [
            uris[machine.typeDefinition.namespace], machine.typeDefinition.value,
        ];
        const found = {};
        await walk(session, machine.nodeId, "", found, 6);
        const variables = Object.entries(found)
            .filter(([, node]) => node.nodeClass === opcua.NodeClass.Variable);
        const values = await session.read(variables.map(([, { nodeId }]) => ({
            nodeId, attributeId: opcua.AttributeIds.Value,
        })));
        report.members = {};
        variables.forEach(([name], i) => { report.members[name] = plain(values[i]); });
        report.nodes = Object.keys(found).length;

        const subscription = await session.createSubscription2({
            requestedPublishingInterval: 50,
            requestedLifetimeCount: 1000,
            requestedMaxKeepAliveCount: 20,
            maxNotificationsPerPublish: 1000,
            publishingEnabled: true,
            priority: 1,
        });
        const ids = wanted.values.map((text) => ({ text, nodeId: resolve(uris, text) }));
        report.subscribed = await subscribeValues(session, subscription, ids);

        if (wanted.steps) report.calls = await callJobs(session, uris, found, wanted.steps);
        if (wanted.setpoint) {
            const nodeId = resolve(uris, wanted.setpoint.node);
            const write = async (value, dataType) => (await session.write({
                nodeId,
                attributeId: opcua.AttributeIds.Value,
                value: { value: { dataType, value } },
            })).name;
            report.writes = {
                good: await write(wanted.setpoint.good, opcua.DataType.Double),
                bad: await write(wanted.setpoint.bad, opcua.DataType.Double),
                text: await write("no number", opcua.DataType.String),
                nan: await write(NaN, opcua.DataType.Double),
            };
            for (let i = 0; i < 40; i++) {
                const value = await session.read({ nodeId, attributeId: opcua.AttributeIds.Value });
                report.writes.shown = value.value.value;
                if (report.writes.shown === wanted.setpoint.good) break;
                await new Promise((done) => setTimeout(done, 50));
            }
        }
        if (wanted.refused) {
            const result = await session.call({
                objectId: resolve(uris, wanted.refused.object),
                methodId: resolve(uris, wanted.refused.method),
                inputArguments: wanted.refused.arguments.map((value) => ({
                    dataType: opcua.DataType.String, value,
                })),
            });
            report.refused = {
                status: result.statusCode.name,
                why: (result.inputArgumentDiagnosticInfos || []).map((d) => d.additionalInfo),
            };
        }
        if (wanted.alarm) report.alarm = await awaitAlarm(session, subscription);
        await subscription.terminate();
    } finally {
        await session.close();
        await client.disconnect();
    }
    await new Promise((done) => process.stdout.write(JSON.stringify({ report }) + "\n", done));
}

main().then(() => process.exit(0), (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
});
