// A login tested from Java, with nothing but the JDK: a server on a port of its own, two DIGEST-MD5 binds by JNDI.
//
//     java LoginTest.java        (`ldapserver` is on the PATH)
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Hashtable;
import javax.naming.AuthenticationException;
import javax.naming.Context;
import javax.naming.NamingException;
import javax.naming.ldap.InitialLdapContext;

public class LoginTest {
    static String url;

    public static void main(String[] arguments) throws Exception {
        Path work = Files.createTempDirectory("login");
        Path ready = work.resolve("ready"), audit = work.resolve("audit.jsonl");
        Path ldif = Path.of(System.getProperty("ldif", "../../contoso.ldif"));
        Process server = new ProcessBuilder(
                "ldapserver", "serve", "--ldif", ldif.toString(), "--listen", "ldap://127.0.0.1:0",
                "--ready-file", ready.toString(), "--audit", audit.toString(), "--log-level", "error")
            .inheritIO().start();
        try {
            // The file is there, whole, once the server accepts.
            while (!Files.exists(ready)) {
                if (!server.isAlive()) {
                    throw new IllegalStateException("the server did not start");
                }
                Thread.sleep(50);
            }
            url = Files.readAllLines(ready).get(0);
            check("the right password is let in", login("u1", "password"));
            check("a wrong one is not", !login("u1", "letmein"));
            String last = Files.readAllLines(audit).get(1);
            check("and the audit says why", last.contains("\"Status\":\"0xc000006a\""));
        } finally {
            server.destroy();
            server.waitFor();
        }
    }

    static boolean login(String user, String password) throws NamingException {
        Hashtable<String, String> environment = new Hashtable<>();
        environment.put(Context.INITIAL_CONTEXT_FACTORY, "com.sun.jndi.ldap.LdapCtxFactory");
        environment.put(Context.PROVIDER_URL, url);
        environment.put(Context.SECURITY_AUTHENTICATION, "DIGEST-MD5");
        environment.put(Context.SECURITY_PRINCIPAL, user);
        environment.put(Context.SECURITY_CREDENTIALS, password);
        try {
            new InitialLdapContext(environment, null).close();
            return true;
        } catch (AuthenticationException refused) {
            return false;
        }
    }

    static void check(String what, boolean so) {
        if (!so) {
            throw new IllegalStateException("not so: " + what);
        }
        System.out.println("ok   " + what);
    }
}
