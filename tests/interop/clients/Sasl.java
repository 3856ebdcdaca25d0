import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.CallbackHandler;
import javax.security.auth.callback.NameCallback;
import javax.security.auth.callback.PasswordCallback;
import javax.security.auth.callback.TextInputCallback;
import javax.security.sasl.AuthorizeCallback;
import javax.security.sasl.RealmCallback;
import javax.security.sasl.RealmChoiceCallback;
import javax.security.sasl.SaslClient;
import javax.security.sasl.SaslException;
import javax.security.sasl.SaslServer;

/**
 * javax.security.sasl with the JDK's own DIGEST-MD5, in either role, one exchange behind the other.
 *
 * <p>Standard input has a command a line, its arguments in base64 (`=` alone is an empty one); each is answered by a
 * line in base64, or by `!` and what went wrong:
 *
 * <pre>
 * client QOP CIPHER MAXBUF HOST USER PASSWORD REALM AUTHZID   begin an exchange
 * server QOP MAXBUF HOST PASSWORD REALMS                      begin one; it offers every cipher it has
 * step MESSAGE                                                the answer to it
 * qop                                                         what was agreed upon, when both sides believe
 * wrap DATA                                                   its buffers, cut and with their lengths as JNDI does it
 * unwrap BUFFERS                                              what they hold
 * </pre>
 */
public class Sasl {
    private static SaslClient client;
    private static SaslServer server;

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.US_ASCII);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            byte[][] arguments = new byte[words.length - 1][];
            for (int at = 1; at < words.length; at++) {
                arguments[at - 1] = Base64.getDecoder().decode(words[at].equals("=") ? "" : words[at]);
            }
            try {
                out.println(Base64.getEncoder().encodeToString(answer(words[0], arguments)));
            } catch (SaslException | IllegalStateException failed) {
                out.println("!" + failed.toString().replaceAll("[^ -~]", "?"));
            }
        }
    }

    private static byte[] answer(String command, byte[][] arguments) throws IOException {
        switch (command) {
            case "client":
                begin(false, Arrays.stream(arguments).map(Sasl::text).toArray(String[]::new));
                return new byte[0];
            case "server":
                begin(true, Arrays.stream(arguments).map(Sasl::text).toArray(String[]::new));
                return new byte[0];
            case "step":
                byte[] said = client != null ? client.evaluateChallenge(arguments[0]) : server.evaluateResponse(arguments[0]);
                return said == null ? new byte[0] : said;
            case "qop":
                boolean complete = client != null ? client.isComplete() : server.isComplete();
                return complete ? ((String) property(javax.security.sasl.Sasl.QOP)).getBytes() : new byte[0];
            case "wrap":
                return wrapped(arguments[0]);
            default:
                return unwrapped(arguments[0]);
        }
    }

    private static void begin(boolean serving, String[] said) throws SaslException {
        Map<String, Object> properties = new HashMap<>();
        properties.put(javax.security.sasl.Sasl.QOP, said[0]);
        properties.put(javax.security.sasl.Sasl.SERVER_AUTH, "true");
        client = null;
        server = null;
        if (serving) {
            properties.put(javax.security.sasl.Sasl.MAX_BUFFER, said[1]);
            properties.put("com.sun.security.sasl.digest.realm", said[4]);
            properties.put("com.sun.security.sasl.digest.utf8", "true");
            CallbackHandler known = answering(null, said[3], null);
            server = javax.security.sasl.Sasl.createSaslServer("DIGEST-MD5", "ldap", said[2], properties, known);
            return;
        }
        if (!said[1].isEmpty()) {
            properties.put("com.sun.security.sasl.digest.cipher", said[1]);
        }
        properties.put(javax.security.sasl.Sasl.MAX_BUFFER, said[2]);
        String authzid = said[7].isEmpty() ? null : said[7];
        CallbackHandler known = answering(said[4], said[5], said[6]);
        String[] mechanisms = {"DIGEST-MD5"};
        client = javax.security.sasl.Sasl.createSaslClient(mechanisms, authzid, "ldap", said[3], properties, known);
    }

    private static CallbackHandler answering(String user, String password, String realm) {
        return callbacks -> {
            for (Callback each : callbacks) {
                if (each instanceof PasswordCallback) {
                    ((PasswordCallback) each).setPassword(password.toCharArray());
                } else if (each instanceof NameCallback) {
                    NameCallback name = (NameCallback) each;
                    name.setName(user != null ? user : name.getDefaultName());
                } else if (each instanceof RealmChoiceCallback) {
                    RealmChoiceCallback choice = (RealmChoiceCallback) each;
                    choice.setSelectedIndex(Arrays.asList(choice.getChoices()).indexOf(realm));
                } else if (each instanceof RealmCallback) {
                    TextInputCallback text = (TextInputCallback) each;
                    text.setText(realm != null ? realm : text.getDefaultText());
                } else if (each instanceof AuthorizeCallback) {
                    ((AuthorizeCallback) each).setAuthorized(true);
                }
            }
        };
    }

    private static Object property(String name) {
        return client != null ? client.getNegotiatedProperty(name) : server.getNegotiatedProperty(name);
    }

    private static byte[] wrapped(byte[] data) throws IOException {
        int most = Integer.parseInt((String) property(javax.security.sasl.Sasl.RAW_SEND_SIZE));
        ByteArrayOutputStream buffers = new ByteArrayOutputStream();
        for (int at = 0; at < data.length; at += most) {
            int size = Math.min(most, data.length - at);
            byte[] buffer = client != null ? client.wrap(data, at, size) : server.wrap(data, at, size);
            buffers.write(ByteBuffer.allocate(4).putInt(buffer.length).array());
            buffers.write(buffer);
        }
        return buffers.toByteArray();
    }

    private static byte[] unwrapped(byte[] buffers) throws IOException {
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        for (ByteBuffer left = ByteBuffer.wrap(buffers); left.hasRemaining(); ) {
            byte[] buffer = new byte[left.getInt()];
            left.get(buffer);
            data.write(client != null ? client.unwrap(buffer, 0, buffer.length) : server.unwrap(buffer, 0, buffer.length));
        }
        return data.toByteArray();
    }

    private static String text(byte[] octets) {
        return new String(octets, StandardCharsets.UTF_8);
    }
}
