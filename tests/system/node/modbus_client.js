// Talks to a machine as any Modbus TCP client would and prints what it got as one JSON object.
//
// node modbus_client.js '{"port": …, "unit": 1, "steps": [["readInputRegisters", 0, 2], …]}'
// Each step is a method of modbus-serial with its arguments; the answer is the data it read, true
// for a write that was accepted, or {"code": exception code}.
"use strict";

const ModbusRTU = require("modbus-serial");

async function main() {
    const wanted = JSON.parse(process.argv[2]);
    const client = new ModbusRTU();
    await client.connectTCP("127.0.0.1", { port: wanted.port });
    client.setID(wanted.unit);
    client.setTimeout(5000);
    const answers = [];
    for (const [method, ...values] of wanted.steps) {
        try {
            const answer = await client[method](...values);
            answers.push(method.startsWith("read") ? answer.data : true);
        } catch (error) {
            if (error.modbusCode === undefined) throw error;
            answers.push({ code: error.modbusCode });
        }
    }
    client.close(() => {});
    process.stdout.write(JSON.stringify(answers) + "\n");
}

main().then(() => process.exit(0), (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
});
